"""Start, stop, restart, update and drain agents: what a step about one does on its node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.errors import CommandFailed, CommandTimeout, PhoenixError, Unreachable
from phoenixctl.model.fleet import Agent, AgentSpec, Node
from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.snapshot import AgentState, Cordon
from phoenixctl.model.state import AgentRecord, Patch
from phoenixctl.model.units import format_duration
from phoenixctl.ports.reach import Session
from phoenixctl.remote.agents import (
    StartResult,
    parse_start,
    parse_stop,
    start_command,
    stop_command,
)
from phoenixctl.remote.cordon import cordon_command, parse_cordon, uncordon_command
from phoenixctl.workflows.health import become_ready, stay_well
from phoenixctl.workflows.hooks import call, passes
from phoenixctl.workflows.leases import permitting, refuse_renewed
from phoenixctl.workflows.restore import Restore
from phoenixctl.workflows.specs import STARTING, without_secrets
from phoenixctl.workflows.work import Trail, Work

# What a start, a KILL, the proof that nothing is left, and the wait for another change to the same
# agent may take besides the agent's own times.
MARGIN_SECONDS = 75.0
_GONE_SECONDS: Final = 2.0  # sessions of an agent that has ended are over at once
_RECONCILE: Final = "phoenixctl routers reconcile"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Does the steps about agents, and the cordons."""

    work: Work

    async def __call__(self, session: Session, trail: Trail) -> str:
        """Do the trail's step on its node and say in a few words how it went."""
        match trail.step.action:
            case Action.CORDON:
                return await self._cordon(session, trail.step)
            case Action.UNCORDON:
                return await self._uncordon(session)
            case Action.START:
                return await self._start(session, trail)
            case Action.STOP | Action.DRAIN:
                return _told(await self._end(session, trail))
            case Action.RESTART | Action.UPDATE:
                ended = await self._end(session, trail)
                return _told((*ended, await self._start(session, trail)))
            case other:
                raise ValueError(f"{other} is not about an agent")

    async def _cordon(self, session: Session, step: Step) -> str:
        node, means = self._node(session), self.work.means
        mark = Cordon(means.by, means.clock.utc(), self.work.manner.reason or step.reason)
        command = cordon_command(node, self.work.fleet.name, mark)
        changed = parse_cordon(await session.run(command))
        return "cordoned" if changed else "was cordoned"

    async def _uncordon(self, session: Session) -> str:
        command = uncordon_command(self._node(session), self.work.fleet.name)
        changed = parse_cordon(await session.run(command))
        return "takes agents again" if changed else "was not cordoned"

    async def _end(self, session: Session, trail: Trail) -> tuple[str, ...]:
        """Out of traffic, drained if that is asked for, and stopped."""
        step = trail.step
        left = await self._leave(step)
        drains = step.action in (Action.DRAIN, Action.UPDATE)
        drained = await self._drain(session, step) if drains else ""
        stopped = await self._stop(session, trail)
        if left and not self._comes_back(step):
            await self._leave(step, within_seconds=_GONE_SECONDS)  # what was busy, if anything
        return left, drained, stopped

    async def _start(self, session: Session, trail: Trail) -> str:
        agent = self.work.specs.to_start(trail.step)
        secrets = {name: self.work.means.secret(ref) for name, ref in agent.spec.secrets.items()}
        try:
            return await self._started(session, trail, agent, secrets)
        except CommandFailed as error:
            # Its last words may be anything; what is recorded and shown must not hold a secret.
            raise CommandFailed(without_secrets(error.what, secrets), hint=error.hint) from None

    async def _started(
        self, session: Session, trail: Trail, agent: Agent, secrets: Mapping[str, str]
    ) -> str:
        spec, clock = agent.spec, self.work.means.clock
        begun, epoch = clock.monotonic(), self.work.epoch(agent.id) + 1
        restore = Restore(self.work)
        restored = await restore.before(session, trail, agent, epoch)
        command = start_command(
            agent,
            self._node(session),
            self.work.fleet.name,
            env={},
            secrets=secrets,
            epoch=epoch if restored is None else restored.epoch,
            restore_from=None if restored is None else restored.path,
        )
        refuse_renewed(trail.step, self.work.fleet, self.work.means.records)
        async with permitting(self.work.means.records, agent.id, spec):
            started = parse_start(await session.run(command, timeout_seconds=MARGIN_SECONDS))
        self._record_start(session, trail, agent, started)
        waits = self.work.manner.wait_ready or (restored is not None and spec.restore is not None)
        ready = spec.ready if waits else None
        if ready is not None:
            await become_ready(session, self.work, agent, ready)
        if restored is not None:
            await restore.after(session, agent, restored, serves=ready is not None)
        took = format_duration(clock.monotonic() - begun)
        routed = await self._admit(session, trail, agent, started.epoch)
        if self.work.manner.wait_ready and trail.step.action is not Action.START:
            await stay_well(session, self.work, agent, started.pid)
        how = f"{'started' if ready is None else 'ready'} in {took}"
        origin = "" if restored is None else restored.words
        return _told((how if started.changed else "was running", origin, routed))

    def _record_start(
        self, session: Session, trail: Trail, agent: Agent, started: StartResult
    ) -> None:
        record = AgentRecord(agent.id, session.node, started.digest, started.epoch)
        known = started.digest in self.work.state.specs
        specs = {} if known else {started.digest: agent.spec}
        trail.changed(Patch(agents={agent.id: record}, specs=specs, epochs={agent.id: None}))

    async def _admit(self, session: Session, trail: Trail, agent: Agent, epoch: int) -> str:
        """Into traffic, once it is ready."""
        traffic = self.work.traffic
        if not traffic.serves(agent.spec.name):
            return ""
        if agent.spec.ready is not None and not self.work.manner.wait_ready:
            return f"not in traffic yet: {_RECONCILE}"
        try:
            only = not self._ends_later(trail.step)
            return await traffic.admit(agent, session.node, epoch, only=only)
        except PhoenixError as error:
            first = f"{error.hint}; then: " if error.hint else ""
            what = f"{agent.id} runs on {session.node} and gets no traffic: {error.what}"
            raise type(error)(what, hint=f"{first}{_RECONCILE}") from None

    async def _leave(self, step: Step, within_seconds: float | None = None) -> str:
        """Out of traffic before it ends. A router that is silent is no reason to let it run; nor
        is any trouble with one, when it is to be stopped."""
        agent = AgentId(str(step.agent))
        seen = self.work.seen(agent, step.node)
        if within_seconds is None:
            within_seconds = self._patience(step, self.work.specs.of_running(agent, seen))
        try:
            return await self.work.traffic.withdraw(
                agent,
                step.node,
                within_seconds=within_seconds,
                port=seen.port if seen is not None else None,
                comes_back=self._comes_back(step),
            )
        except PhoenixError as error:
            if step.action is Action.STOP or isinstance(error, Unreachable):
                return f"could not be taken out of traffic ({error.what})"
            raise

    def _comes_back(self, step: Step) -> bool:
        """Whether it is started again: by this step, or elsewhere by one that waits for it."""
        return step.action in STARTING or any(
            later.action in STARTING and later.agent == step.agent and step.key in later.after
            for later in self.work.plan.steps
        )

    def _ends_later(self, step: Step) -> bool:
        """Whether another copy of the agent serves until a step that waits for this one."""
        return any(
            later.agent == step.agent and later.node != step.node and step.key in later.after
            for later in self.work.plan.steps
        )

    @staticmethod
    def _patience(step: Step, spec: AgentSpec) -> float:
        """How long it may take to finish what it has."""
        if step.grace_seconds is not None:
            return step.grace_seconds
        return spec.grace_seconds if spec.drain is None else spec.drain.deadline_seconds

    async def _stop(self, session: Session, trail: Trail) -> str:
        step = trail.step
        agent = AgentId(str(step.agent))
        spec = self.work.specs.of_running(agent, self.work.seen(agent, step.node))
        grace = spec.grace_seconds if step.grace_seconds is None else step.grace_seconds
        command = stop_command(
            agent,
            self._node(session),
            self.work.fleet.name,
            stop_signal=spec.stop_signal,
            grace_seconds=grace,
            purge=self.work.manner.purge,
            fence=self._fence(agent, step),
        )
        completed = await session.run(command, timeout_seconds=grace + MARGIN_SECONDS)
        stopped = parse_stop(completed)
        self._record_stop(trail, agent)
        how = f"{stopped.how} in {format_duration(stopped.seconds)}, nothing left"
        lost = self.work.manner.purge and spec.checkpoints is not None
        forgotten = await Restore(self.work).forget(agent) if lost else ""
        return _told((how if stopped.changed else "was stopped", forgotten))

    def _fence(self, agent: AgentId, step: Step) -> int | None:
        """A copy that is not the recorded one, and older, shall never be started again there."""
        record, seen = self.work.state.agents.get(agent), self.work.seen(agent, step.node)
        if record is None or record.node == step.node:
            return None
        return record.epoch if seen is not None and seen.epoch < record.epoch else None

    def _record_stop(self, trail: Trail, agent: AgentId) -> None:
        record = self.work.state.agents.get(agent)
        if record is not None and record.node != trail.step.node:
            return  # it was started elsewhere in the meantime
        epoch = self.work.epoch(agent)
        trail.changed(Patch(agents={agent: None}, epochs={agent: epoch or None}))

    async def _drain(self, session: Session, step: Step) -> str:
        """Ask the agent to finish; past its deadline say so and go on to stop it."""
        agent = AgentId(str(step.agent))
        seen = self.work.seen(agent, step.node)
        spec = self.work.specs.of_running(agent, seen)
        if spec.drain is None:
            return "has no drain hook"
        if seen is None or seen.state is not AgentState.RUNNING:
            return "had nothing to finish"
        limit = spec.drain.deadline_seconds if step.grace_seconds is None else step.grace_seconds
        clock, fleet = self.work.means.clock, self.work.fleet
        begun = clock.monotonic()
        try:
            async with asyncio.timeout(limit):
                await call(session, spec.drain.hook, agent, seen.port, fleet)
                while spec.drain.until is not None and not await passes(
                    session, spec.drain.until, agent, seen.port, fleet
                ):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            return f"was not drained within {format_duration(limit)}"
        except (CommandFailed, CommandTimeout) as error:
            told = without_secrets(str(error), self._secrets_found(spec))
            return f"could not be drained ({told})"
        return f"drained in {format_duration(clock.monotonic() - begun)}"

    def _secrets_found(self, spec: AgentSpec) -> Mapping[str, str]:
        """Those that there still are: to stop an agent, none is needed."""
        found = {}
        for name, ref in spec.secrets.items():
            with suppress(PhoenixError):
                found[name] = self.work.means.secret(ref)
        return found

    def _node(self, session: Session) -> Node:
        return self.work.fleet.nodes[session.node]


def _told(words: Iterable[str]) -> str:
    return ", ".join(word for word in words if word)
