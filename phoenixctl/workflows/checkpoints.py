"""Make checkpoints of running agents and keep them on other nodes.

The fleet's lock is not taken: copying takes its time, and must not keep an apply from a dead node.
A checkpoint belongs to the epoch that its node says before and after the hook. What an apply stops
or starts anew meanwhile has no checkpoint this time, and one of an earlier epoch never counts
before one of a later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from secrets import token_hex
from typing import Final

from phoenixctl.model.errors import CommandFailed, PhoenixError
from phoenixctl.model.fleet import AgentSpec, Fleet, SecretRef
from phoenixctl.model.hooks import SignalHook
from phoenixctl.model.moving import Checkpoints
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.outcome import Succeeded
from phoenixctl.model.snapshot import AgentObservation, AgentState, Snapshot
from phoenixctl.model.units import Bytes
from phoenixctl.planning.addresses import spec_name
from phoenixctl.planning.copies import Copies
from phoenixctl.planning.peers import Shelves, newest, peers_of, surplus
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.reach import Reach, Session
from phoenixctl.remote.checkpoints import CheckpointId
from phoenixctl.remote.taking import (
    Taken,
    begin_command,
    done_command,
    parse_begin,
    parse_take,
    take_command,
)
from phoenixctl.workflows.hooks import call
from phoenixctl.workflows.keeping import READING_SECONDS, Keeping
from phoenixctl.workflows.specs import without_secrets

AT_ONCE: Final = 16  # agents
_MORE_PEERS: Final = 3  # are tried when the best ones fail
_SLACK_SECONDS: Final = 60.0  # of a run that was killed while the hook went on


class Fate(StrEnum):
    """What became of an agent's checkpoint."""

    COPIED = "copied"
    DUE = "due"  # it would be made
    NOT_DUE = "not due"
    SKIPPED = "skipped"  # another run makes one
    SHORT = "short"  # on fewer nodes than its spec says
    FAILED = "failed"

    @property
    def failed(self) -> bool:
        return self in (Fate.SHORT, Fate.FAILED)


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """One agent's. `peers` have it, or would get it; `age_seconds` is of the last one before;
    `errors` go by the node that they are of."""

    agent: AgentId
    node: NodeName
    fate: Fate
    checkpoint: CheckpointId | None = None
    size: Bytes | None = None
    peers: tuple[NodeName, ...] = ()
    age_seconds: float | None = None
    seconds: float = 0.0
    errors: Mapping[NodeName, PhoenixError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """An agent that runs and whose spec has checkpoints."""

    seen: AgentObservation
    spec: AgentSpec
    policy: Checkpoints


def running(agents: Iterable[AgentId], fleet: Fleet, snapshot: Snapshot) -> Iterable[Running]:
    """Those of the agents that have checkpoints and run: of several copies, the latest."""
    copies = Copies(snapshot)
    for agent in agents:
        spec = fleet.agents.get(spec_name(agent))
        there = [seen for seen in copies.of(agent) if seen.state is AgentState.RUNNING]
        if spec is not None and spec.checkpoints is not None and there:
            latest = max(there, key=lambda seen: (seen.epoch, seen.node))
            yield Running(latest, spec, spec.checkpoints)


@dataclass(frozen=True, slots=True)
class _Task:
    """An agent whose checkpoint is made: `peers` to copy it to, the best first; what there is."""

    agent: Running
    told: Checkpointed
    peers: tuple[NodeName, ...]
    shelves: Shelves


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """A run over many agents, each of which costs only itself when it fails.

    `secret` finds a secret's value, so that none is in what an agent's hook said.
    """

    fleet: Fleet
    snapshot: Snapshot
    reach: Reach
    clock: Clock
    secret: Callable[[SecretRef], str]

    async def __call__(
        self,
        agents: Iterable[Running],
        *,
        force: bool = False,
        dry_run: bool = False,
        on_agent: Callable[[Checkpointed], None] | None = None,
    ) -> tuple[Checkpointed, ...]:
        """A checkpoint of each agent whose last one is old enough, or in any case with `force`."""
        answering = [seen.name for seen in self.snapshot.observed()]
        shelves = (await self._keeping.listing(answering)).shelves
        places = asyncio.Semaphore(AT_ONCE)

        async def one(agent: Running) -> Checkpointed:
            async with places:
                made = await self._one(agent, shelves, force=force, dry_run=dry_run)
            if on_agent is not None:
                on_agent(made)
            return made

        return tuple(await asyncio.gather(*(one(agent) for agent in agents)))

    @property
    def _keeping(self) -> Keeping:
        return Keeping(self.fleet, self.reach, self.clock)

    async def _one(
        self, agent: Running, shelves: Shelves, *, force: bool, dry_run: bool
    ) -> Checkpointed:
        seen, policy = agent.seen, agent.policy
        last = newest(seen.id, shelves)
        age = None if last is None else last.age_seconds
        told = Checkpointed(seen.id, seen.node, Fate.NOT_DUE, age_seconds=age)
        if not force and age is not None and age < policy.every_seconds:
            return told
        found = peers_of(seen.id, seen.node, self.fleet, self.snapshot)
        peers = tuple(islice(found, policy.copies + _MORE_PEERS))
        if dry_run:
            return replace(told, fate=Fate.DUE, peers=peers[: policy.copies])
        begun = self.clock.monotonic()
        task = _Task(agent, told, peers, shelves)

        async def job(session: Session) -> Checkpointed:
            return await self._make(session, task)

        outcome = (await self.reach.each((seen.node,), job))[seen.node]
        seconds = self.clock.monotonic() - begun
        if isinstance(outcome, Succeeded):
            return replace(outcome.value, seconds=seconds)
        return replace(told, fate=Fate.FAILED, seconds=seconds, errors={seen.node: outcome.error})

    async def _make(self, session: Session, task: _Task) -> Checkpointed:
        """Have the hook write one, keep it apart, and copy that."""
        agent, told = task.agent, task.told
        node, fleet, token = self.fleet.nodes[session.node], self.fleet.name, token_hex(6)
        limit = _hook_seconds(agent.spec) + _SLACK_SECONDS
        begin = begin_command(told.agent, node, fleet, token=token, limit_seconds=limit)
        begun = parse_begin(await session.run(begin))
        if begun.busy:
            return replace(told, fate=Fate.SKIPPED)
        at = self._at(told.agent, begun.epoch, task.shelves)
        since = self.clock.monotonic()  # what is acknowledged from now on may not be in it
        try:
            await self._call_hook(session, agent)
            take = take_command(
                told.agent, node, fleet,
                token=token, epoch=begun.epoch, at=at, keep=agent.policy.keep,
            )  # fmt: skip
            taken = parse_take(await session.run(take, timeout_seconds=READING_SECONDS))
            made = CheckpointId(begun.epoch, at, taken.checksum)
            return await self._spread(task, taken, made, since)
        finally:
            with suppress(PhoenixError):
                await session.run(done_command(told.agent, node, fleet, token=token))

    async def _call_hook(self, session: Session, agent: Running) -> None:
        if agent.spec.checkpoint is None:
            return
        try:
            await call(session, agent.spec.checkpoint, agent.seen.id, agent.seen.port, self.fleet)
        except CommandFailed as error:
            secrets = {}
            for name, ref in agent.spec.secrets.items():
                with suppress(PhoenixError):
                    secrets[name] = self.secret(ref)
            raise CommandFailed(without_secrets(error.what, secrets), hint=error.hint) from None

    def _at(self, agent: AgentId, epoch: int, shelves: Shelves) -> int:
        """Later than any before, also when the clock of who made that was ahead of ours."""
        now, last = round(self.clock.epoch() * 1000), newest(agent, shelves)
        return now if last is None or last.id.epoch != epoch else max(now, last.id.at + 1)

    async def _spread(
        self, task: _Task, taken: Taken, made: CheckpointId, since: float
    ) -> Checkpointed:
        """Copy it to as many peers as its spec says: to the best ones that can keep it."""
        told, copies = task.told, task.agent.policy.copies
        have: list[NodeName] = []
        errors: dict[NodeName, PhoenixError] = {}
        for peer in task.peers:
            if len(have) == copies:
                break
            try:
                await self._keeping.copy(
                    told.agent,
                    made,
                    taken.content,
                    source=(told.node, taken.path),
                    target=peer,
                    age_seconds=lambda: self.clock.monotonic() - since,
                )
                have.append(peer)
            except PhoenixError as error:
                errors[peer] = error
        if len(task.peers) < copies:
            errors[told.node] = CommandFailed(
                f"{told.agent} is to be kept on {copies} other nodes, and {len(task.peers)} can:"
                " they have to answer and must not be cordoned"
            )
        if have:
            await self._tidy(task, made)
        fate = Fate.COPIED if len(have) == copies else Fate.SHORT if have else Fate.FAILED
        return replace(
            told,
            fate=fate,
            checkpoint=made,
            size=taken.content.size,
            peers=tuple(have),
            errors=errors,
        )

    async def _tidy(self, task: _Task, made: CheckpointId) -> None:
        """Remove what is older than the last ones; what cannot be removed now is so later."""
        agent, keep = task.told.agent, task.agent.policy.keep
        for node, old in surplus(agent, task.shelves, keep, (made,)).items():
            with suppress(PhoenixError):
                await self._keeping.drop(agent, node, *map(str, old))


def _hook_seconds(spec: AgentSpec) -> float:
    hook = spec.checkpoint
    return 0.0 if hook is None or isinstance(hook, SignalHook) else hook.timeout_seconds
