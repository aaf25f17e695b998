"""The batches of a playbook are carried out, one after the other; what fails is taken back."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import typer

from phoenixctl.cli.approve import carry_out, manner_for, report_document, waits_for
from phoenixctl.cli.scene import Scene, silent
from phoenixctl.model.errors import ExitCode, PhoenixError, Refused, Stale
from phoenixctl.model.outcome import gravest
from phoenixctl.model.playbook import EVERYWHERE, Approve, Stage
from phoenixctl.planning.playbook import left_of, plan_batch, stages_of
from phoenixctl.planning.playbook_progress import OK, Done, Progress, fallen
from phoenixctl.workflows.halt import Halt

if TYPE_CHECKING:
    from phoenixctl.model.plan import Plan
    from phoenixctl.model.playbook import Batch, Play
    from phoenixctl.planning.playbook import Over, Planned
    from phoenixctl.workflows.look import Look
    from phoenixctl.workflows.report import Report

_PATIENCE_SECONDS: Final = 1800.0
_MOST_STALE: Final = 10  # in a run


@dataclass
class Batches:
    """Carries them out. `reports` are of all plans that were done, `codes` of all that failed."""

    scene: Scene
    reports: list[tuple[Play, Report]] = field(default_factory=list)
    codes: list[ExitCode] = field(default_factory=list)
    warned: bool = False
    halt: Halt = field(default_factory=Halt)  # Ctrl-C ends the run after any of its plans
    _approved: set[tuple[int, str]] = field(default_factory=set)
    _stale: int = 0

    async def through(self, seen: Look, stand: Progress) -> ExitCode:
        """All that is left. The first batch is planned from what was seen already."""
        scene = self.scene
        if stand.play.undoing and stand.play.given_up:
            await self._take_back(scene.names, over=stand.undone)
            return ExitCode.SOME_FAILED
        look: Look | None = seen
        over: Over = stand.over
        for number in range(scene.play.batch, len(scene.play.batches)):
            scene.play = replace(scene.play, batch=number, undoing=False, given_up=False)
            code = await self._batch(look, over)
            if code is not ExitCode.OK:
                return code
            look, over = None, ()
        await self._end()
        return gravest(self.codes) or (ExitCode.SOME_FAILED if self.warned else ExitCode.OK)

    async def _batch(self, look: Look | None, over: Over) -> ExitCode:
        """One batch to its end: planned anew after each stop for a yes, and after each failure."""
        scene = self.scene
        stages = stages_of(scene.playbook, scene.play.batch, len(scene.play.batches))
        done = Done(stages, over)
        while True:
            seen = look or await scene.look()
            look = None
            code = await self._without_silent(seen)
            batch = scene.batch(scene.names, scene.play.failed)
            if code is not ExitCode.OK or (scene.names and not batch.names):
                return code
            due, more = self._due(stages, batch, done.over())
            planned = self._planned(due, batch, seen, done, scene.which)
            if planned.plan.steps:
                report = await self._fresh(planned.plan, seen)
                if report is None:
                    continue
                ends = _ends(report)
                done.take(planned.plan.steps, ends, batch)
                if self.halt.asked:
                    return ExitCode.INTERRUPTED
                failed = fallen(planned.plan.steps, ends, stages, batch)
                if failed:
                    code = await self._fell(failed, [report.exit_code])
                    if code is not ExitCode.OK:
                        return code
                    continue
            done.finish(due, planned.later)
            if not planned.later and not more:
                return ExitCode.OK

    def _planned(
        self, due: Sequence[Stage], batch: Batch, seen: Look, done: Done, what: str
    ) -> Planned:
        return plan_batch(
            due,
            batch,
            seen.snapshot,
            seen.fleet,
            self.scene.moves(seen),
            over=done.over(),
            closed=self.scene.closed,
            title=self.scene.title(what),
        )

    async def _without_silent(self, seen: Look) -> ExitCode:
        """Nodes of the batch that do not answer have failed."""
        play = self.scene.play
        gone = silent(seen) & set(self.scene.names) - set(play.failed)
        if not gone:
            return ExitCode.OK
        errors = [n.error.exit_code for n in seen.snapshot.unobserved() if n.name in gone]
        return await self._fell(frozenset(gone), errors)

    def _due(
        self, stages: Sequence[Stage], batch: Batch, over: frozenset[tuple[str, str]]
    ) -> tuple[tuple[Stage, ...], bool]:
        """The steps up to the next one that waits for a yes, and whether there are more.

        When that is the first one, it is asked for now.
        """
        left = [stage for stage in stages if left_of(batch, stage, over) is not None]
        for number, stage in enumerate(left):
            if isinstance(stage.do, Approve) and not self._has_yes(stage):
                if number:
                    return tuple(left[:number]), True
                self._ask(stage, stage.do)
        return tuple(left), False

    def _has_yes(self, stage: Stage) -> bool:
        return (
            stage.name in self.scene.wishes.approved
            or (self.scene.play.batch, stage.name) in self._approved
        )

    def _ask(self, stage: Stage, approve: Approve) -> None:
        """Refused when nobody can be asked, or the answer is no."""
        words = f"phoenixctl playbook run {self.scene.playbook.name}{self._given()}"
        again = f"{words} --yes --approve {stage.name}"
        asked = f"{self.scene.which}: {approve.text}"
        if self.scene.run.output.for_programs or not sys.stdin.isatty():
            raise Refused(f"waiting for a yes: {asked}", hint=f"to go on: {again}")
        if not typer.confirm(asked, err=True):
            raise Refused(f"not approved: {asked}", hint=f"to go on all the same: {again}")
        self._approved.add((self.scene.play.batch, stage.name))

    def _given(self) -> str:
        from shlex import quote

        return "".join(
            f" -p {quote(f'{k}={v}')}" for k, v in self.scene.playbook.parameters.items()
        )

    async def _fresh(self, plan: Plan, seen: Look) -> Report | None:
        """Carry the plan out; None when it has to be made anew, because somebody else has changed
        something meanwhile. What was just read and agreed to is not made anew."""
        try:
            return await self._carried(plan, seen)
        except Stale as stale:
            self._stale += 1
            if not self.reports or self._stale > _MOST_STALE:
                raise
            self.scene.run.note(f"planned anew: {stale}")
            return None

    @property
    def _patience(self) -> float:
        """Once it has begun, a run does not end because somebody else changes something."""
        own = self.scene.wishes.lock_wait_seconds
        return max(own, _PATIENCE_SECONDS) if self.reports else own

    async def _carried(self, plan: Plan, seen: Look) -> Report:
        from phoenixctl.planning.fingerprint import with_fingerprints

        scene = self.scene
        plan = with_fingerprints(replace(plan, play=scene.play), seen.snapshot, seen.state)
        for breach in plan.breaches:
            what = f"a guard forbids {scene.which} ({breach.guard}): {breach.what}"
            raise Refused(what, hint=breach.hint)
        talking = not scene.run.output.for_programs
        if talking:
            for text in (plan.title, *plan.notes, *(f"! {w}" for w in plan.warnings)):
                scene.run.note(text)
        manner = manner_for(scene.parts, None, self._patience)
        manner = replace(manner, check=scene.alone)
        report = await carry_out(scene.run, scene.parts, plan, manner, halt=self.halt)
        self.reports.append((scene.play, report))
        scene.known = int(report.operation or scene.known)
        self.warned |= bool(plan.warnings)
        if talking:
            for hint in dict.fromkeys(r.error.hint for r in report.results if r.error):
                if hint:
                    scene.run.note(f"  try: {hint}")
        return report

    async def _fell(self, failed: frozenset[str], codes: Sequence[ExitCode]) -> ExitCode:
        """What is done about these, which have failed; not OK when all ends with them."""
        self.codes += [code for code in codes if code is not ExitCode.OK] or [ExitCode.SOME_FAILED]
        scene = self.scene
        total = sum(map(len, scene.play.batches))
        names = tuple(dict.fromkeys((*scene.play.failed, *sorted(failed))))
        most = scene.playbook.max_failures.of(total)
        whole = str(EVERYWHERE) in failed
        if whole or len(names) > most:
            who = "" if whole else f": {', '.join(names)}"
            scene.run.note(f"{scene.which} has failed{who}; what comes after it is not begun")
            await self._take_back(scene.names)
            return gravest(self.codes)
        scene.play = replace(scene.play, failed=names)
        count = f"{len(names)} of {total} failed, {most} may"
        scene.run.note(f"going on without {', '.join(sorted(failed))} ({count})")
        await self._take_back(sorted(failed), given_up=False)
        return ExitCode.OK

    async def _take_back(
        self, names: Sequence[str], *, given_up: bool = True, over: Over = ()
    ) -> None:
        """Carry out the rollback for these; that it cannot be is told, and changes nothing else."""
        scene = self.scene
        if not scene.playbook.rollback:
            return
        before = scene.play
        scene.play = replace(before, undoing=True, given_up=given_up)
        try:
            await self._taken_back(names, Done(scene.playbook.rollback, over))
        except PhoenixError as error:
            scene.run.note(f"not taken back: {error}")
            if error.hint:
                scene.run.note(f"  try: {error.hint}")
        finally:
            scene.play = before

    async def _taken_back(self, names: Sequence[str], done: Done) -> None:
        scene, stages = self.scene, self.scene.playbook.rollback
        await scene.remember()
        while True:
            seen = await scene.look()
            gone = sorted(silent(seen) & set(names))
            if gone:
                scene.run.note(f"not taken back: {', '.join(gone)} do not answer")
            batch = scene.batch(names, gone)
            if names and not batch.names:
                return
            planned = self._planned(stages, batch, seen, done, f"{scene.which} is taken back")
            if planned.plan.steps:
                ends = _ends(await self._carried(planned.plan, seen))
                done.take(planned.plan.steps, ends, batch)
                if any(outcome != OK for outcome in ends.values()):
                    scene.run.note("not all was taken back; look at it before anything else")
                    return
            done.finish(stages, planned.later)
            if not planned.later:
                return

    async def _end(self) -> None:
        """The run is over; the next one begins anew."""
        from phoenixctl.model.plan import Plan as Ended

        title = self.scene.title("done")
        play = replace(self.scene.play, undoing=False, given_up=False, ended=True)
        async with self.scene.parts.records.changing(
            title,
            wait_seconds=self._patience,
            on_wait=lambda holder: self.scene.run.note(waits_for(holder)),
        ) as operation:
            await self.scene.alone()
            await operation.open(Ended(title, (), play=play))

    def document(self, code: ExitCode) -> dict[str, Any]:
        return {
            "playbook": self.scene.playbook.name,
            "parameters": dict(self.scene.playbook.parameters),
            "run": self.scene.play.run,
            "batches": [list(names) for names in self.scene.play.batches],
            "failed": list(self.scene.play.failed),
            "exit_code": int(code),
            "reports": [
                {"batch": play.batch + 1, "undoing": play.undoing, **report_document(report)}
                for play, report in self.reports
            ],
        }


def _ends(report: Report) -> Mapping[str, str]:
    return {result.step.key: str(result.outcome) for result in report.results}
