"""A playbook is run: what was cut off is finished, what is left is shown, agreed to and done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from phoenixctl.cli.approve import finish_cut_off
from phoenixctl.cli.playbooks import chosen_names, digest_of_playbook
from phoenixctl.cli.playing_batches import Batches
from phoenixctl.cli.scene import Scene, Wishes, serial_of, silent
from phoenixctl.model.errors import ExitCode, Refused, Unreachable, UsageError
from phoenixctl.model.playbook import Play, Playbook
from phoenixctl.planning.playbook import Chapter, batches_of, breaches_of, outline
from phoenixctl.planning.playbook_progress import Progress, progress

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run
    from phoenixctl.ports.records import PastOperation
    from phoenixctl.workflows.look import Look


async def play(run: Run, parts: Parts, playbook: Playbook, wishes: Wishes) -> ExitCode:
    """Run a playbook, or go on with a run of it that has not ended."""
    began = Play(playbook.name, digest_of_playbook(playbook), parts.clock.utc(), ())
    scene = Scene(run, parts, playbook, wishes, began)
    wait = wishes.lock_wait_seconds
    await finish_cut_off(run, parts, dry_run=wishes.dry_run, wait=wait)
    if not wishes.dry_run:
        # A run that was killed is put down in the history by this, and there it is looked for.
        async with parts.records.changing(scene.title("begin"), wait_seconds=wait):
            pass
    scene.known = max(map(serial_of, await parts.records.history()), default=0)
    stand = None if wishes.restart else await _stand(scene)
    seen = await scene.look()
    stand = stand or _fresh(scene, seen)
    scene.play = stand.play
    _check_batches(scene, seen)
    chapters = _outline(scene, seen, stand)
    _show(scene, chapters, stand, seen)
    _check_silent(scene, seen)
    if not _agreed(scene, chapters):
        return _not_begun(scene, chapters)
    batches = Batches(scene)
    code = await batches.through(seen, stand)
    if run.output.for_programs:
        run.emit("playbook-report", lambda: batches.document(code), lambda _console: None)
    elif code is ExitCode.OK:
        run.note(scene.title("done"))
    return code


async def _stand(scene: Scene) -> Progress | None:
    """How far an earlier run has come, None when there is none to go on with."""
    digest = scene.play.digest
    pasts: list[PastOperation] = []
    async for past in scene.pasts():
        pasts.append(past)
        its = past.plan.play
        if its is not None and its.digest == digest and its.ended:
            break
    return progress(scene.playbook, digest, pasts)


def _fresh(scene: Scene, seen: Look) -> Progress:
    from dataclasses import replace

    names = chosen_names(seen.fleet, scene.playbook.on)
    return Progress(replace(scene.play, batches=batches_of(names, scene.playbook.serial)))


def _check_batches(scene: Scene, seen: Look) -> None:
    """What a run is about is still there."""
    agents = {str(agent.id) for agent in seen.fleet.instances()}
    known = agents if scene.playbook.on.agents else set(map(str, seen.fleet.nodes))
    left = [name for names in scene.play.batches[scene.play.batch :] for name in names]
    gone = [name for name in left if name not in known]
    if gone:
        raise UsageError(
            f"the run of {scene.play.run} is about {', '.join(gone)}, which is gone",
            hint=f"begin anew: phoenixctl playbook run {scene.playbook.name} --restart",
        )


def _outline(scene: Scene, seen: Look, stand: Progress) -> tuple[Chapter, ...]:
    without = (*stand.play.failed, *silent(seen))
    return outline(
        scene.playbook,
        [scene.batch(names, without) for names in scene.play.batches],
        seen.snapshot,
        seen.fleet,
        scene.moves(seen),
        first=scene.play.batch,
        over=stand.over,
    )


def _show(scene: Scene, chapters: Sequence[Chapter], stand: Progress, seen: Look) -> None:
    """All that would be done; for programs only when that is all they want to know."""
    from phoenixctl.render.playbook import outline_document, print_outline

    if scene.run.output.for_programs and not scene.wishes.dry_run:
        return
    gone = silent(seen)
    named = [name for names in scene.play.batches for name in names if name in gone]
    scene.run.emit(
        "playbook-plan",
        lambda: outline_document(scene.playbook, stand, chapters, named),
        lambda console: print_outline(scene.playbook, stand, chapters, named, console),
    )


def _check_silent(scene: Scene, seen: Look) -> None:
    """Nothing is begun that is known to fail. Unreachable when more nodes do not answer than may
    fail."""
    play, gone = scene.play, silent(seen)
    left = [name for names in play.batches[play.batch :] for name in names]
    missing = [name for name in left if name in gone and name not in play.failed]
    most = scene.playbook.max_failures.of(sum(map(len, play.batches)))
    if missing and len(missing) + len(play.failed) > most:
        raise Unreachable(
            f"{', '.join(missing)}: no answer, and no more than {most} may fail (max_failures)",
            hint=f"phoenixctl doctor --nodes {missing[0]}; or choose other nodes",
        )


def _agreed(scene: Scene, chapters: Sequence[Chapter]) -> bool:
    """Whether to begin. Refused when a guard forbids any of it, or when nobody gave a yes and
    nobody can be asked."""
    if scene.wishes.dry_run:
        return False
    for number, breach in breaches_of(chapters):
        raise Refused(
            f"a guard forbids batch {number + 1} ({breach.guard}): {breach.what}",
            hint=breach.hint,
        )
    if scene.wishes.yes or not any(c.later or (c.plan and c.plan.steps) for c in chapters):
        return True
    if scene.run.output.for_programs or not sys.stdin.isatty():
        raise Refused(
            "the playbook is not approved and nobody can be asked",
            hint="read it with `phoenixctl playbook plan`, then add --yes",
        )
    return typer.confirm("Carry it out?", err=True)


def _not_begun(scene: Scene, chapters: Sequence[Chapter]) -> ExitCode:
    forbidden = any(True for _ in breaches_of(chapters))
    return ExitCode.REFUSED if forbidden or not scene.wishes.dry_run else ExitCode.OK
