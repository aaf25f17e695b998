"""An agent migrates: it comes to another node with what it knows, or stays where it was.

What the nodes say decides what a run that was cut off goes on with. The copy on the target becomes
the active one at one moment: when its node has written so down, after the copy on the source was
stopped with proof, or quiesced and fenced. Before, a migration is taken back; after, it is
finished, unless the copy there does not get ready: no router has sent anything to it then, so that
it is stopped with proof, and the source goes on.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from phoenixctl.model.errors import (
    AuthenticationFailed,
    CommandFailed,
    HostKeyError,
    OutcomeUnknown,
    PhoenixError,
    Unreachable,
)
from phoenixctl.model.fleet import Agent
from phoenixctl.model.moving import Migration, Way
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Step
from phoenixctl.model.state import Migrated
from phoenixctl.model.units import format_bytes, format_duration
from phoenixctl.workflows.copying import StateCopy
from phoenixctl.workflows.handing import HandOver
from phoenixctl.workflows.limit import within
from phoenixctl.workflows.migrated import recorded_at, told_of
from phoenixctl.workflows.side import Side
from phoenixctl.workflows.work import Trail, Work

BY_DEFAULT: Final = Migration()
_SMALL_BYTES: Final = 64 * 1024  # a round that copied less is not worth another one
_STANDBY: Final = "standby"
_ACTIVE: Final = "active"
_EPOCH, _PHASE = "epoch", "phase"
_SILENT: Final = (AuthenticationFailed, HostKeyError, OutcomeUnknown, Unreachable)
_PAUSED, _STARTING, _SWITCHED = "paused", "starting", "switched"


@dataclass(frozen=True, slots=True)
class Migrate:
    """Does the steps that migrate agents."""

    work: Work

    async def __call__(self, trail: Trail) -> str:
        """Do it, or give one that was cut off its end.

        CommandFailed when it was taken back; then the agent runs where it was. OutcomeUnknown when
        it cannot be told which copy is the active one; nothing is active twice then.
        """
        migration = _Migration.of(self.work, trail)
        if any(_EPOCH in note for note in trail.notes):
            return await migration.go_on()
        return await migration.begin()


@dataclass(slots=True)
class _Migration:
    """One migration. `agent` is as it is started on the target; `epoch` is that of its copy there,
    `epochs` are all that it had there; `before` is that of the copy on the source."""

    work: Work
    trail: Trail
    agent: Agent
    source: Side
    target: Side
    way: Way
    settings: Migration
    epochs: list[int]
    before: int
    phases: set[str] = field(default_factory=set)
    bytes: int = 0
    rounds: int = 0
    paused_at: float | None = None
    downtime: float | None = None
    again: bool = False  # what had ended on the target was started once more

    @classmethod
    def of(cls, work: Work, trail: Trail) -> _Migration:
        step = trail.step
        agent, source = AgentId(str(step.agent)), _source(step)
        to_start = work.specs.to_start(step)
        seen = work.seen(agent, source)
        runs = work.specs.of_running(agent, seen)
        noted = [int(note[_EPOCH]) for note in trail.notes if _EPOCH in note]
        return cls(
            work,
            trail,
            to_start,
            Side(work, replace(to_start, spec=runs if runs.command else to_start.spec), source),
            Side(work, to_start, step.node),
            step.way or Way.COLD,
            to_start.spec.migration or BY_DEFAULT,
            noted or [work.epoch(agent) + 1],
            seen.epoch if seen is not None else 0,
            {note[_PHASE] for note in trail.notes if _PHASE in note},
        )

    @property
    def epoch(self) -> int:
        return self.epochs[-1]

    async def begin(self) -> str:
        ways = {Way.LIVE: self._live, Way.CHECKPOINT: self._by_checkpoint, Way.COLD: self._cold}
        await self.trail.note({_EPOCH: str(self.epoch)})
        try:
            await ways[self.way]()
        except PhoenixError as error:
            await self._fail(error)
        return await self._finish()

    async def go_on(self) -> str:
        """The end of one that was cut off: what its nodes say decides."""
        try:
            standing = await self.target.standing()
        except Unreachable:
            if _STARTING in self.phases:
                raise  # it may be active there
            await self._take_back(CommandFailed("it was cut off"))
        else:
            at_target = standing.epoch in self.epochs and not standing.stopped
            active = at_target and standing.role == _ACTIVE
            if _SWITCHED in self.phases and not active:
                # What it has answered is known there alone, whoever has changed it since.
                self.trail.changed(recorded_at(self.target, max(standing.epoch or 0, self.epoch)))
                self._history("done, and changed since")
                return await self._finish()
            if not (active and _STARTING in self.phases):
                await self._take_back(CommandFailed("it was cut off"))
        try:
            await self._forward(alive=standing.pid is not None)
        except PhoenixError as error:
            await self._fail(error)
        return await self._finish()

    async def _forward(self, *, alive: bool) -> None:
        """The copy on the target is the active one; where it has ended, what it knows is there."""
        if not alive:
            by_checkpoint = self.way is Way.CHECKPOINT
            pending = await HandOver(self.target).pending() if by_checkpoint else None
            self.epochs.append(self.epoch + 1)
            await self.trail.note({_EPOCH: str(self.epoch)})
            await self.target.start(self.epoch, restore_from=pending)
        elif self.way is Way.LIVE:
            await self.target.promote(self.epoch)
            await self._activate()
        await HandOver(self.target).confirm(self.way)
        await self._switch()

    # The three ways, until the agent serves on the target

    async def _live(self) -> None:
        copy = self._copy()
        if copy is not None:
            await copy.check_room()
        await self.target.start(self.epoch, role=_STANDBY)
        await self.target.prepared(self.settings.standby)
        await self._rounds(copy)
        before = (await self.source.standing()).pid
        too_long = CommandFailed(
            f"its last changes were not copied within {format_duration(self._pause_seconds)}",
            hint="give its spec's `migrate` a longer `pause`, or more `rounds`",
        )
        async with within(self._pause_seconds, too_long):
            await self._pause()
            await self._last_round(copy)
            await self._phase(_STARTING)
            if (await self.source.fence(self.epoch)).pid != before:
                # Its supervisor has started it again, and so it took work after the last round.
                raise CommandFailed("it ended on its source while it paused")
        await self.target.promote(self.epoch)
        await self._activate()
        await self._switch()

    async def _by_checkpoint(self) -> None:
        hand = HandOver(self.source)
        await self._pause()
        checkpoint = await hand.take(self.before)
        self.bytes += await hand.carry(checkpoint, self.target.name)
        await self.source.stop(grace_seconds=self.trail.step.grace_seconds)
        await self._phase(_STARTING)
        path = await HandOver(self.target).lay(checkpoint, self.epoch)
        await self.target.start(self.epoch, restore_from=path)
        await HandOver(self.target).confirm(self.way, path)
        await self._switch()
        with suppress(PhoenixError):
            await HandOver(self.target).tidy(checkpoint)

    async def _cold(self) -> None:
        copy = self._copy()
        if copy is not None:
            await copy.check_room()
        await self._rounds(copy)
        with suppress(CommandFailed):  # it is stopped all the same, as by a drain
            await self._pause()
        await self.source.stop(grace_seconds=self.trail.step.grace_seconds)
        await self._last_round(copy)
        await self._phase(_STARTING)
        await self.target.start(self.epoch)
        await self.target.ready()
        await self._switch()

    def _copy(self) -> StateCopy | None:
        if not self.settings.state:
            return None
        work, agent = self.work, self.agent
        return StateCopy(
            work.fleet, work.means.reach, work.means.clock, agent.id, self.source.name,
            self.target.name, user=agent.spec.user,
        )  # fmt: skip

    async def _rounds(self, copy: StateCopy | None) -> None:
        """Copy while it runs, as long as that leaves less for the pause."""
        if copy is None:
            return
        last = float("inf")
        for _ in range(self.settings.rounds):
            copied = await self._round(copy)
            if copied < _SMALL_BYTES or copied >= last:
                return
            last = copied

    async def _last_round(self, copy: StateCopy | None) -> None:
        if copy is not None:
            await self._round(copy)
            await copy.verify()

    async def _round(self, copy: StateCopy) -> int:
        copied = await copy.round()
        self.bytes += copied.bytes
        self.rounds += 1
        return copied.bytes

    async def _pause(self) -> None:
        """From now on requests wait; the source finishes what it has."""
        await self._phase(_PAUSED)
        limit = self._pause_seconds
        self.paused_at = self.work.means.clock.monotonic()
        traffic, agent = self.work.traffic, self.agent.id
        await traffic.hold(agent, self.source.name)
        if await traffic.idle(agent, self.source.name, limit) is False:
            raise CommandFailed(f"its requests were not answered within {format_duration(limit)}")
        await self.source.quiesce(limit)

    async def _activate(self) -> None:
        """The copy on the target takes work."""
        hook = self.target.agent.spec.activate
        if hook is not None:
            await self.target.say(hook)
        await self.target.ready()

    async def _switch(self) -> None:
        await self._phase(_SWITCHED)
        await self.work.traffic.switch(self.agent, self.source.name, self.target.name, self.epoch)
        self.trail.changed(recorded_at(self.target, self.epoch))
        self._history("done")

    async def _finish(self) -> str:
        """It serves on the target; nothing of it stays on the source."""
        told = [self.way.value]
        if self.downtime is not None:
            told.append(f"down for {format_duration(self.downtime)}")
        if self.bytes:
            rounds = f" in {self.rounds} rounds" if self.rounds > 1 else ""
            told.append(f"{format_bytes(self.bytes)} copied{rounds}")
        try:
            await self.source.stop(grace_seconds=self.trail.step.grace_seconds)
        except PhoenixError as error:
            where = f"the copy on {self.source.name}"
            told.append(f"{where} takes no work and could not be stopped: {error}")
        return ", ".join(told)

    # Taking it back

    async def _fail(self, error: PhoenixError) -> None:
        """Take it back, unless the target may have taken work already: then it is finished by the
        next run."""
        silent, serving = isinstance(error, _SILENT), None
        if _STARTING in self.phases and not silent:
            serving = await self._serving(error)
        if _SWITCHED in self.phases or (_STARTING in self.phases and (silent or serving)):
            raise OutcomeUnknown(
                f"{self.agent.id} may be active on {self.target.name}: {error}",
                hint="phoenixctl apply",
            ) from error
        if serving is None and _STARTING in self.phases and not self.again:
            await self._once_more()
        else:
            await self._take_back(error)

    async def _once_more(self) -> None:
        """The copy on the target has ended, and may have taken work before."""
        self.again = True
        try:
            await self._forward(alive=False)
        except PhoenixError as error:
            await self._fail(error)

    async def _serving(self, error: PhoenixError) -> bool | None:
        try:
            return await self.target.serving(self.epochs)
        except _SILENT:
            raise OutcomeUnknown(
                f"{self.agent.id}: {error}; and {self.target.name}, where it may be active, does"
                " not answer",
                hint=f"phoenixctl doctor --nodes {self.target.name}; then: phoenixctl apply",
            ) from error

    async def _take_back(self, error: PhoenixError) -> None:
        """End what there is on the target, with proof, and let the source go on; then tell why."""
        try:
            await self.target.end(self.epochs)
        except _SILENT as silent:
            if _STARTING in self.phases:
                raise OutcomeUnknown(
                    f"{self.agent.id}: {error}; and {self.target.name}, where it may be active,"
                    f" does not answer: {silent.what}",
                    hint=f"phoenixctl doctor --nodes {self.target.name}; then: phoenixctl apply",
                ) from error
        try:
            how = await self._resume()
        except _SILENT as silent:
            if _PAUSED in self.phases:
                raise OutcomeUnknown(
                    f"{self.agent.id} pauses on {self.source.name}, which does not answer:"
                    f" {silent.what}; it was to be taken back: {error.what}",
                    hint=f"phoenixctl doctor --nodes {self.source.name}; then: phoenixctl apply",
                ) from error
            how = "was left alone"  # it never was asked to pause
        self._history(f"taken back: {error.what}")
        told = f"taken back, {self.agent.id} {how} on {self.source.name}: {error.what}"
        raise CommandFailed(told, hint=error.hint) from error

    async def _resume(self) -> str:
        """Let the source take work again; started anew if it has ended meanwhile."""
        standing = await self.source.standing()
        if standing.fence == self.epochs[0]:
            await self.source.unfence(self.epochs[0])
        hook = self.source.agent.spec.activate
        goes_on = standing.pid is not None and not standing.stopped
        paused = _PAUSED in self.phases
        epoch = standing.epoch or self.before
        if goes_on and (not paused or hook is not None or self.source.agent.spec.drain is None):
            if paused and hook is not None:
                await self.source.say(hook)
            how = "goes on"
        else:
            if goes_on:
                await self.source.stop()
            epoch = self.epoch + 1
            await self.source.start(epoch)
            how = "was started again"
        await self.source.ready()
        await self.work.traffic.release(self.agent.id, self.source.name)
        self.trail.changed(recorded_at(self.source, epoch, used=self.epoch))
        return how

    # What is kept of it

    def _history(self, outcome: str) -> None:
        """Its downtime is from the moment at which requests began to wait until now; None if it
        never paused, or an earlier run has seen the beginning."""
        work = self.work
        if self.paused_at is not None:
            self.downtime = round(work.means.clock.monotonic() - self.paused_at, 4)
        one = Migrated(
            self.source.name,
            self.target.name,
            self.way,
            work.means.clock.utc(),
            outcome,
            self.downtime,
            self.bytes,
            self.rounds,
        )
        self.trail.changed(told_of(self.agent.id, one, work))

    async def _phase(self, phase: str) -> None:
        """On the disk before it begins: a run that is cut off is judged by it."""
        self.phases.add(phase)
        await self.trail.note({_PHASE: phase})

    @property
    def _pause_seconds(self) -> float:
        own = self.trail.step.grace_seconds
        return self.settings.pause_seconds if own is None else own


def _source(step: Step) -> NodeName:
    if step.source is None:
        raise CommandFailed(f"{step.key}: where it comes from is not said")
    return step.source
