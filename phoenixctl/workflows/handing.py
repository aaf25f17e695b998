"""A checkpoint is made on one node, carried to another, and an agent started from it there."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from secrets import token_hex

from phoenixctl.model.errors import CommandFailed, PhoenixError
from phoenixctl.model.moving import Way
from phoenixctl.model.names import NodeName
from phoenixctl.ports.reach import Session
from phoenixctl.remote.checkpoints import CheckpointId
from phoenixctl.remote.restoring import (
    confirm_command,
    here_command,
    parse_confirm,
    parse_here,
    parse_place,
    place_command,
)
from phoenixctl.remote.taking import (
    Taken,
    begin_command,
    done_command,
    parse_begin,
    parse_take,
    take_command,
)
from phoenixctl.workflows.keeping import READING_SECONDS, Keeping
from phoenixctl.workflows.side import Side

_KEEP = 3  # of an agent whose spec says nothing of checkpoints
_LIMIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint that is kept apart on the node where it was made."""

    id: CheckpointId
    taken: Taken
    token: str


@dataclass(frozen=True, slots=True)
class HandOver:
    """What is done with checkpoints on one side of a migration."""

    side: Side

    async def take(self, epoch: int) -> Held:
        """Have the agent write one now. CommandFailed when it writes none, or another run is at
        it."""
        side, token = self.side, token_hex(6)
        agent, work, hook = side.agent, side.work, side.agent.spec.checkpoint
        node, fleet = work.fleet.nodes[side.name], work.fleet.name
        policy = agent.spec.checkpoints
        at = round(work.means.clock.epoch() * 1000)

        async def job(session: Session) -> Taken:
            begin = begin_command(agent.id, node, fleet, token=token, limit_seconds=_LIMIT_SECONDS)
            if parse_begin(await session.run(begin)).busy:
                raise CommandFailed(f"another run makes a checkpoint of {agent.id}")
            try:
                if hook is not None:
                    await side.say(hook)
                take = take_command(
                    agent.id, node, fleet, token=token, epoch=epoch, at=at,
                    keep=_KEEP if policy is None else policy.keep,
                )  # fmt: skip
                return parse_take(await session.run(take, timeout_seconds=READING_SECONDS))
            except BaseException:
                with suppress(PhoenixError):
                    await self._done(token)
                raise

        taken = await side.on(job)
        return Held(CheckpointId(epoch, at, taken.checksum), taken, token)

    async def carry(self, held: Held, target: NodeName) -> int:
        """Keep it on the target, verified there; its bytes."""
        side = self.side
        clock, made = side.work.means.clock, side.work.means.clock.monotonic()
        agent, fleet = side.agent.id, side.work.fleet
        await Keeping(fleet, side.work.means.reach, clock).copy(
            agent,
            held.id,
            held.taken.content,
            source=(side.name, held.taken.path),
            target=target,
            age_seconds=lambda: clock.monotonic() - made,
        )

        await self._done(held.token)
        return int(held.taken.content.size)

    async def tidy(self, held: Held) -> None:
        """Only agents that have checkpoints for their fail-over keep them for longer."""
        side = self.side
        if side.agent.spec.checkpoints is None:
            keeping = Keeping(side.work.fleet, side.work.means.reach, side.work.means.clock)
            await keeping.drop(side.agent.id, side.name, str(held.id))

    async def lay(self, held: Held, epoch: int) -> str:
        """Lay what was carried here ready for a start with this epoch; where it lies."""
        side = self.side
        command = place_command(
            side.agent.id,
            side.work.fleet.nodes[side.name],
            side.work.fleet.name,
            held.id,
            held.taken.content,
            user=side.agent.spec.user,
            epoch=epoch,
        )

        async def job(session: Session) -> str:
            path = parse_place(await session.run(command, timeout_seconds=READING_SECONDS))
            if path is None:
                raise CommandFailed(f"the checkpoint on {side.name} is damaged")
            return path

        return await side.on(job)

    async def confirm(self, way: Way, path: str | None = None) -> None:
        """It was started here; wait until it serves. By a checkpoint: with its hook for that, and
        from now on it starts with its own state. `path`: None for the one it began from, if any."""
        side = self.side
        node, fleet = side.work.fleet.nodes[side.name], side.work.fleet.name
        if way is Way.CHECKPOINT:
            path = path or await self.pending()
        await side.ready()
        if path is None:
            return
        if side.agent.spec.restore is not None:
            await side.say(side.agent.spec.restore)
        command = confirm_command(side.agent.id, node, fleet, path)

        async def job(session: Session) -> None:
            parse_confirm(await session.run(command))

        await side.on(job)

    async def _done(self, token: str) -> None:
        """What was kept apart here is not needed any more."""
        side = self.side
        node, fleet = side.work.fleet.nodes[side.name], side.work.fleet.name

        async def job(session: Session) -> None:
            await session.run(done_command(side.agent.id, node, fleet, token=token))

        await side.on(job)

    async def pending(self) -> str | None:
        """Where the checkpoint lies that it was started from and has not confirmed."""
        side = self.side
        node, fleet = side.work.fleet.nodes[side.name], side.work.fleet.name

        async def job(session: Session) -> str | None:
            here = parse_here(await session.run(here_command(side.agent.id, node, fleet)))
            return None if here.pending is None else here.pending.path

        return await side.on(job)
