"""Singletons are permitted to run: renewed by the clock, and known for when their node dies.

A renewal takes no lock, so that it disturbs no run. What it permits is written down before it is
given, and the record is read after that; who starts such an agent elsewhere, because its lease is
over, has begun that in the journal and then looks what is written down. So one of both sees the
other. And a renewal ends at a time that its node was asked for before: delayed, it lasts no longer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import AgentSpec, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.outcome import Outcome, Succeeded
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.state import AgentRecord, State
from phoenixctl.planning.proof import LEASE, Leases
from phoenixctl.ports.reach import Reach, Session
from phoenixctl.ports.records import Records
from phoenixctl.remote.renew import (
    Permit,
    Renewal,
    Renewed,
    Uptime,
    parse_renew,
    parse_uptime,
    renew_command,
    uptime_command,
)

# After its permission is over, an agent has its grace, is killed, and the look at its permit comes
# once in a second; and clocks differ in their rate.
_MARGIN_SECONDS: Final = 15.0
_MARGIN_RATIO: Final = 0.05


def known_leases(fleet: Fleet, records: Records) -> Leases:
    """When the singletons of which that is known have certainly ended by themselves."""
    left = {}
    for agent, seconds in records.leases().items():
        spec = fleet.agents.get(agent.rpartition("-")[0])
        if spec is not None and spec.lease_seconds is not None:
            left[agent] = seconds + spec.grace_seconds + _margin(spec.lease_seconds)
    return Leases(left)


def refuse_renewed(step: Step, fleet: Fleet, records: Records) -> None:
    """CommandFailed for a start that relies on the end of a lease which is not certain any more."""
    if f"{LEASE}{step.agent}" not in step.relies_on or step.agent is None:
        return
    if not known_leases(fleet, records).over(step.agent):
        raise CommandFailed(
            f"{step.agent} is not started: its lease was renewed since, it runs elsewhere",
            hint="phoenixctl plan",
        )


@asynccontextmanager
async def permitting(records: Records, agent: AgentId, spec: AgentSpec) -> AsyncIterator[None]:
    """Around a command that lets a singleton run: a start, or its promotion.

    When it has answered, also with a failure, it is known until when that lasts; without an answer
    it is not. PhoenixError before, when nothing can be written down.
    """
    if not spec.singleton:
        yield
        return
    records.permitting((agent,))
    try:
        yield
    except CommandFailed:
        _permitted(records, agent, spec)
        raise
    _permitted(records, agent, spec)


def _permitted(records: Records, agent: AgentId, spec: AgentSpec) -> None:
    if spec.lease_seconds is not None:
        records.permitted({agent: spec.lease_seconds})


async def renew(
    fleet: Fleet, reach: Reach, records: Records, only: Collection[AgentId] | None = None
) -> tuple[Renewal, ...]:
    """Renew the permissions of all singletons (or `only` of these) that run where the record has
    them, with the recorded epoch. By agent.

    One whose node was restarted waits for it and is started. `fleet` has all nodes of the record.
    """
    asked = _singletons(fleet, await records.read(), only)
    nodes = tuple(dict.fromkeys(record.node for record, _ in asked.values()))
    uptimes = await reach.each(nodes, _uptime)
    records.renewing(
        {
            agent: spec.lease_seconds
            for agent, (record, spec) in asked.items()
            if spec.lease_seconds is not None and isinstance(uptimes[record.node], Succeeded)
        }
    )
    starting = {u.step.agent for u in await records.unfinished() if u.step.action is Action.START}
    now = _singletons(fleet, await records.read(), only)
    free = {a: one for a, one in asked.items() if a not in starting and now.get(a) == one}
    answers = await _renewed(fleet, reach, free, uptimes)
    found = [
        answers.get(agent) or _not_asked(record, uptimes[record.node])
        for agent, (record, _) in asked.items()
    ]
    return tuple(sorted(found, key=lambda one: one.agent))


def would_renew(
    fleet: Fleet, state: State, only: Collection[AgentId] | None = None
) -> tuple[Renewal, ...]:
    """Whose permissions `renew` would renew, and where; nobody is asked."""
    asked = _singletons(fleet, state, only)
    found = [Renewal(r.id, r.node, r.epoch, Renewed.PLANNED) for r, _ in asked.values()]
    return tuple(sorted(found, key=lambda one: one.agent))


_Asked = Mapping[AgentId, tuple[AgentRecord, AgentSpec]]


def _singletons(fleet: Fleet, state: State, only: Collection[AgentId] | None) -> _Asked:
    """Recorded singletons on nodes that there are, each with what it was started with."""
    found = {}
    for agent, record in state.agents.items():
        spec = state.specs.get(record.spec_digest) or fleet.agents.get(agent.rpartition("-")[0])
        wanted = only is None or agent in only
        if spec is not None and spec.singleton and wanted and record.node in fleet.nodes:
            found[agent] = (record, spec)
    return found


async def _uptime(session: Session) -> Uptime:
    return parse_uptime(await session.run(uptime_command()))


async def _renewed(
    fleet: Fleet, reach: Reach, asked: _Asked, uptimes: Mapping[NodeName, Outcome[Uptime]]
) -> Mapping[AgentId, Renewal]:
    """One command on each node that has told its uptime."""
    times = {name: got.value for name, got in uptimes.items() if isinstance(got, Succeeded)}
    on_node: dict[NodeName, list[Permit]] = {}
    for agent, (record, spec) in asked.items():
        if record.node in times:
            until = _until(times[record.node], spec)
            on_node.setdefault(record.node, []).append(Permit(agent, record.epoch, until))

    async def job(session: Session) -> Mapping[AgentId, tuple[Renewed, str]]:
        node, permits = fleet.nodes[session.node], on_node[session.node]
        boot_id = times[session.node].boot_id
        return parse_renew(
            await session.run(renew_command(permits, node, fleet.name, boot_id=boot_id))
        )

    outcomes = await reach.each(tuple(on_node), job)
    found = {}
    for name, permits in on_node.items():
        outcome = outcomes[name]
        for permit in permits:
            if isinstance(outcome, Succeeded):
                failed = (Renewed.FAILED, "nothing was said about it")
                how, detail = outcome.value.get(permit.agent, failed)
                renewal = Renewal(permit.agent, name, permit.epoch, how, detail)
            else:
                renewal = Renewal(permit.agent, name, permit.epoch, None, error=outcome.error)
            found[permit.agent] = renewal
    return found


def _until(now: Uptime, spec: AgentSpec) -> int | None:
    return None if spec.lease_seconds is None else now.seconds + max(1, int(spec.lease_seconds))


def _not_asked(record: AgentRecord, uptime: Outcome[Uptime]) -> Renewal:
    error = None if isinstance(uptime, Succeeded) else uptime.error
    return Renewal(record.id, record.node, record.epoch, None, error=error)


def _margin(lease_seconds: float) -> float:
    return _MARGIN_SECONDS + _MARGIN_RATIO * lease_seconds
