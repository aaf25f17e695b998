"""One node's side of a migration: what is done there to the agent's copy. All may be repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Agent, Node
from phoenixctl.model.names import NodeName
from phoenixctl.model.units import format_duration
from phoenixctl.ports.reach import Session
from phoenixctl.remote.agents import (
    StartResult,
    StopResult,
    parse_start,
    parse_stop,
    start_command,
    stop_command,
)
from phoenixctl.remote.fence import (
    Standing,
    fence_command,
    parse_fence,
    parse_promote,
    parse_standing,
    parse_unfence,
    promote_command,
    standing_command,
    unfence_command,
)
from phoenixctl.workflows.agents import MARGIN_SECONDS
from phoenixctl.workflows.health import become_ready
from phoenixctl.workflows.hooks import call, passes
from phoenixctl.workflows.leases import permitting
from phoenixctl.workflows.limit import within
from phoenixctl.workflows.specs import without_secrets
from phoenixctl.workflows.work import Work

if TYPE_CHECKING:  # made only for agents that have hooks
    from phoenixctl.model.hooks import Hook, ReadyCheck

T = TypeVar("T")
_LOOK_EVERY_SECONDS: Final = 0.02  # requests wait meanwhile
_ACTIVE: Final = "active"


@dataclass(frozen=True, slots=True)
class Side:
    """`agent` has the specification that its copy there was started with, or is started with."""

    work: Work
    agent: Agent
    name: NodeName

    async def standing(self) -> Standing:
        return parse_standing(await self._asked(standing_command))

    async def fence(self, epoch: int) -> Standing:
        """No copy below this epoch starts there any more."""
        return parse_fence(await self._asked(fence_command, epoch=epoch))

    async def unfence(self, epoch: int) -> Standing:
        return parse_unfence(await self._asked(unfence_command, epoch=epoch))

    async def promote(self, epoch: int) -> Standing:
        """The standby of this epoch is the active copy from now on."""
        async with permitting(self.work.means.records, self.agent.id, self.agent.spec):
            return parse_promote(await self._asked(promote_command, epoch=epoch))

    async def start(
        self, epoch: int, *, role: str = _ACTIVE, restore_from: str | None = None
    ) -> StartResult:
        """Start it there with this epoch; what is told of a failure has no secrets in it."""
        spec = self.agent.spec
        secrets = {name: self.work.means.secret(ref) for name, ref in spec.secrets.items()}
        command = start_command(
            self.agent,
            self._node,
            self.work.fleet.name,
            env={},
            secrets=secrets,
            epoch=epoch,
            role=role,
            restore_from=restore_from,
        )

        async def job(session: Session) -> StartResult:
            return parse_start(await session.run(command, timeout_seconds=MARGIN_SECONDS))

        try:
            async with permitting(self.work.means.records, self.agent.id, spec):
                return await self.on(job)
        except CommandFailed as error:
            raise CommandFailed(without_secrets(error.what, secrets), hint=error.hint) from None

    async def stop(self, *, grace_seconds: float | None = None, purge: bool = False) -> StopResult:
        """Stop it with the proof that nothing of it is left."""
        spec = self.agent.spec
        grace = spec.grace_seconds if grace_seconds is None else grace_seconds
        command = stop_command(
            self.agent.id,
            self._node,
            self.work.fleet.name,
            stop_signal=spec.stop_signal,
            grace_seconds=grace,
            purge=purge,
        )

        async def job(session: Session) -> StopResult:
            return parse_stop(await session.run(command, timeout_seconds=grace + MARGIN_SECONDS))

        return await self.on(job)

    async def serving(self, epochs: Collection[int]) -> bool | None:
        """Whether the active copy of one of these epochs is ready, or does not say. None: there is
        one, and it has ended."""
        standing = await self.standing()
        if standing.role != _ACTIVE or standing.epoch not in epochs or standing.stopped:
            return False
        if standing.pid is None:
            return None
        readiness, agent, fleet = self.agent.spec.ready, self.agent, self.work.fleet
        if readiness is None:
            return True
        check = readiness.check
        return await self.on(lambda session: passes(session, check, agent.id, agent.port, fleet))

    async def end(self, epochs: Collection[int]) -> None:
        """Nothing of copies with these epochs stays; one of another start is none of ours."""
        standing = await self.standing()
        if standing.pid is not None and standing.epoch not in epochs:
            return
        await self.stop()  # it waits for a start that is still under way there
        if (await self.standing()).epoch in (None, *epochs):
            await self.stop(purge=True)

    async def say(self, hook: Hook) -> None:
        """Call a hook of the copy."""

        async def job(session: Session) -> None:
            await call(session, hook, self.agent.id, self.agent.port, self.work.fleet)

        await self.on(job)

    async def quiesce(self, within_seconds: float) -> None:
        """Let it finish what it has, and take nothing more. CommandFailed when it does not."""
        drain = self.agent.spec.drain
        if drain is None:
            return

        async def job(session: Session) -> None:
            await call(session, drain.hook, self.agent.id, self.agent.port, self.work.fleet)
            if drain.until is not None:
                await self._until(session, drain.until)

        too_long = CommandFailed(
            f"it did not finish what it has within {format_duration(within_seconds)}",
            hint=f"give agents.{self.agent.spec.name}.migrate a longer `pause`",
        )
        async with within(within_seconds, too_long):
            await self.on(job)

    async def prepared(self, check: ReadyCheck | None) -> None:
        """The standby is there and, if it says so, prepared."""
        if check is None:
            return
        limit = self._within_seconds

        async def job(session: Session) -> None:
            await self._until(session, check)

        too_long = CommandFailed(
            f"the standby on {self.name} is not prepared after {format_duration(limit)}",
            hint=f"phoenixctl agents logs {self.agent.id}",
        )
        async with within(limit, too_long):
            await self.on(job)

    async def ready(self) -> None:
        """It serves, if it says so."""
        readiness = self.agent.spec.ready
        if readiness is None:
            return

        async def job(session: Session) -> None:
            await become_ready(
                session, self.work, self.agent, readiness, every_seconds=_LOOK_EVERY_SECONDS
            )

        await self.on(job)

    async def on(self, job: Callable[[Session], Awaitable[T]]) -> T:
        """The value of a job on this node; its error is raised."""
        return await self.work.on(self.name, job)

    async def _asked(self, command: Callable[..., Command], **arguments: int) -> Completed:
        asked = command(self.agent.id, self._node, self.work.fleet.name, **arguments)

        async def job(session: Session) -> Completed:
            return await session.run(asked, timeout_seconds=MARGIN_SECONDS)

        return await self.on(job)

    async def _until(self, session: Session, check: ReadyCheck) -> None:
        agent, fleet = self.agent, self.work.fleet
        while not await passes(session, check, agent.id, agent.port, fleet):
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    @property
    def _within_seconds(self) -> float:
        readiness = self.agent.spec.ready
        return 30.0 if readiness is None else readiness.within_seconds

    @property
    def _node(self) -> Node:
        return self.work.fleet.nodes[self.name]
