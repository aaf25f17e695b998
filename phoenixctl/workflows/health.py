"""Rollouts keep agents healthy: enough of a kind stay ready while others of it are taken down, and
a changed one has to prove itself before the next."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from phoenixctl.model.errors import CommandFailed, PhoenixError
from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.model.hooks import Readiness
from phoenixctl.model.moving import Way
from phoenixctl.model.names import AgentId, NodeName, agent_id
from phoenixctl.model.outcome import Succeeded
from phoenixctl.model.plan import Action, Plan, Step
from phoenixctl.model.units import format_duration
from phoenixctl.ports.reach import Session
from phoenixctl.remote.agents import alive_command, logs_command, parse_alive
from phoenixctl.workflows.hooks import passes
from phoenixctl.workflows.specs import STARTING, parts
from phoenixctl.workflows.work import Work

_TAKES_DOWN: Final = frozenset({Action.UPDATE, Action.RESTART, Action.DRAIN})
_ENDS: Final = frozenset({Action.STOP, Action.DRAIN})
_VALID_SECONDS: Final = 5.0  # thousands of one kind are not asked anew for each of them
_LOOK_EVERY_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Kind:
    """The agents of one specification: which were ready when they were asked last."""

    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    ready: set[AgentId] = field(default_factory=set)
    asked_at: float = float("-inf")
    down: set[AgentId] = field(default_factory=set)


class Health:
    """Guards `min_healthy` of every specification during one run."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._kinds: defaultdict[str, _Kind] = defaultdict(_Kind)
        self._leaving = _leaving(work.plan)

    @asynccontextmanager
    async def taking_down(self, step: Step) -> AsyncIterator[None]:
        """Within it, the step may take its agent down. CommandFailed, and nothing is done, when
        too few others of its kind are ready."""
        spec = self._guarded(step)
        if spec is None or step.agent is None:
            yield
            return
        kind = self._kinds[spec.name]
        async with kind.asking:
            await self._require(kind, spec, step.agent)
            kind.down.add(step.agent)
            kind.ready.discard(step.agent)
        try:
            yield
            if step.action in STARTING:
                kind.ready.add(step.agent)
        finally:
            kind.down.discard(step.agent)

    def _guarded(self, step: Step) -> AgentSpec | None:
        hands_over = step.action is Action.MIGRATE and step.way is not Way.LIVE
        if step.agent is None or not (step.action in _TAKES_DOWN or hands_over):
            return None
        spec = self._work.means.fleet.agents.get(parts(step.agent)[0])
        return spec if spec and spec.rollout.min_healthy.of(spec.replicas) > 0 else None

    async def _require(self, kind: _Kind, spec: AgentSpec, agent: AgentId) -> None:
        every = {agent_id(spec.name, ordinal) for ordinal in range(spec.replicas)}
        # What the plan itself ends for good cannot be waited for.
        others = every - self._leaving - {agent}
        needed = min(spec.rollout.min_healthy.of(spec.replicas), len(others))
        now = self._work.means.clock.monotonic()
        if now - kind.asked_at > _VALID_SECONDS or len(kind.ready & others) < needed:
            kind.ready = await self._ready(spec, others - kind.down)
            kind.asked_at = now
        ready = len(kind.ready & others)
        if ready < needed:
            raise CommandFailed(
                f"left as it is: of the other {spec.name} {ready} are ready, and {needed} have to"
                " be (min_healthy)",
                hint="phoenixctl status",
            )

    async def _ready(self, spec: AgentSpec, agents: Iterable[AgentId]) -> set[AgentId]:
        """Those that are ready now, asked on all their nodes at once."""
        places: defaultdict[NodeName, list[AgentId]] = defaultdict(list)
        for agent in sorted(agents):
            record = self._work.state.agents.get(agent)
            node = record.node if record else self._work.found_on(agent)
            if node is not None and node in self._work.fleet.nodes:
                places[node].append(agent)

        async def ask(session: Session) -> set[AgentId]:
            there = places[session.node]
            found = [await is_well(session, self._work, Agent(spec, parts(a)[1])) for a in there]
            return {agent for agent, well in zip(there, found, strict=True) if well}

        outcomes = await self._work.means.reach.each(places, ask)
        answered = (o.value for o in outcomes.values() if isinstance(o, Succeeded))
        return {agent for agents in answered for agent in agents}


async def is_well(session: Session, work: Work, agent: Agent) -> bool:
    """Whether it is ready, or, where it has no such check, its process is there."""
    if agent.spec.ready is not None:
        return await passes(session, agent.spec.ready.check, agent.id, agent.port, work.fleet)
    return await _pid(session, work, agent) is not None


async def become_ready(
    session: Session,
    work: Work,
    agent: Agent,
    readiness: Readiness,
    *,
    every_seconds: float | None = None,
) -> None:
    """Wait until it is ready, looking as often as its spec says. CommandFailed with its last words
    when it is not in time."""
    clock = work.means.clock
    deadline = clock.monotonic() + readiness.within_seconds
    while not await passes(session, readiness.check, agent.id, agent.port, work.fleet):
        if clock.monotonic() >= deadline:
            last = await _last_words(session, work, agent.id)
            raise CommandFailed(
                f"{agent.id} was started on {session.node} and is not ready after"
                f" {format_duration(readiness.within_seconds)}{last}",
                hint=f"phoenixctl agents logs {agent.id}",
            )
        await asyncio.sleep(readiness.every_seconds if every_seconds is None else every_seconds)


async def stay_well(session: Session, work: Work, agent: Agent, pid: int) -> None:
    """Look on for the time that the rollout asks for. CommandFailed when the agent's process ends
    in it, also when it is started again, or when it is not ready any more."""
    clock, begun = work.means.clock, work.means.clock.monotonic()

    def lived() -> float:
        return clock.monotonic() - begun

    while (left := agent.spec.rollout.settle_seconds - lived()) > 0:
        await asyncio.sleep(min(left, _LOOK_EVERY_SECONDS))
        what = ""
        if await _pid(session, work, agent) != pid:
            what = "did not stay up"
        elif not await is_well(session, work, agent):
            what = "did not stay ready"
        if what:
            raise CommandFailed(
                f"{agent.id} was started and {what} for {format_duration(lived())}",
                hint=f"phoenixctl agents logs {agent.id}",
            )


async def _last_words(session: Session, work: Work, agent: AgentId) -> str:
    node = work.fleet.nodes[session.node]
    command = logs_command(agent, node, work.fleet.name, lines=3, follow=False)
    try:
        output = (await session.run(command)).stdout.decode("utf-8", "replace").strip()
    except PhoenixError:
        return ""
    return f"; its last words: {output}" if output else ""


async def _pid(session: Session, work: Work, agent: Agent) -> int | None:
    command = alive_command(agent.id, work.fleet.nodes[session.node], work.fleet.name)
    return parse_alive(await session.run(command))


def _leaving(plan: Plan) -> frozenset[AgentId]:
    """Agents that the plan ends and does not start again."""
    ended = {step.agent for step in plan.steps if step.agent and step.action in _ENDS}
    started = {step.agent for step in plan.steps if step.agent and step.action in STARTING}
    return frozenset(ended - started)
