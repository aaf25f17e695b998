"""`phoenixctl playbook`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, group
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from phoenixctl.cli.scene import Wishes
    from phoenixctl.render.playbook import Listed
    from phoenixctl.settings.playbook import Written

app = group("Run playbooks: steps in YAML, a few nodes or agents after the others.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A playbook that `ls` lists, or a file.")]
Values = Annotated[
    list[str] | None,
    typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="The value of a parameter."),
]
Restart = Annotated[
    bool, typer.Option("--restart", help="Begin anew, also when an earlier run was cut off.")
]


@command(app, "ls", help="List the playbooks beside the configuration, and those that are shipped.")
def ls(run: Run) -> None:
    from phoenixctl.cli.playbooks import folders
    from phoenixctl.render.playbook import playbooks_document, print_playbooks
    from phoenixctl.settings.playbook import find_playbooks, read_written

    listed = [_listed(read_written(path)) for path in find_playbooks(folders(run)).values()]
    run.emit(
        "playbooks",
        lambda: playbooks_document(listed),
        lambda console: print_playbooks(listed, console),
    )


@command(app, "show", help="Show a playbook as it is written.")
def show(run: Run, *, name: Name) -> None:
    from phoenixctl.cli.playbooks import path_of
    from phoenixctl.render.playbook import playbook_document, print_playbook
    from phoenixctl.settings.playbook import read_written

    written = read_written(path_of(run, name))
    run.emit(
        "playbook",
        lambda: playbook_document(_listed(written), written.text),
        lambda console: print_playbook(written.text, console),
    )


@command(app, "schema", help="Write the JSON Schema of playbooks, for editors.")
def schema(_run: Run) -> None:
    import json
    import sys

    from phoenixctl.settings.schema import playbook_schema

    sys.stdout.write(json.dumps(playbook_schema(), indent=2) + "\n")


@command(app, "plan", help="Show what a playbook would do, batch by batch; change nothing.")
def plan(run: Run, *, name: Name, values: Values = None, restart: Restart = False) -> ExitCode:
    from phoenixctl.cli.scene import Wishes

    return _play(run, name, values, Wishes(dry_run=True, restart=restart))


@command(app, "run", help="Carry a playbook out, or go on with a run that did not end.")
def run_playbook(
    run: Run,
    *,
    name: Name,
    values: Values = None,
    approve: Annotated[
        list[str] | None,
        typer.Option("--approve", metavar="STEP", help="This step, which waits for it, has a yes."),
    ] = None,
    restart: Restart = False,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    from phoenixctl.cli.scene import Wishes

    wishes = Wishes(
        yes=yes,
        dry_run=dry_run,
        restart=restart,
        approved=frozenset(approve or ()),
        lock_wait_seconds=seconds_of("--lock-wait", lock_wait) or 0.0,
    )
    return _play(run, name, values, wishes)


def _play(run: Run, name: str, values: list[str] | None, wishes: Wishes) -> ExitCode:
    from phoenixctl.cli.playbooks import read
    from phoenixctl.cli.playing import play
    from phoenixctl.model.playbook import Approve

    playbook = read(run, name, values or ())
    waiting = {stage.name for stage in playbook.steps if isinstance(stage.do, Approve)}
    for step in wishes.approved - waiting:
        known = f"; these do: {', '.join(sorted(waiting))}" if waiting else ""
        raise UsageError(f"no step {step} of {playbook.name} waits for a yes{known}")
    return run.within(lambda parts: play(run, parts, playbook, wishes))


def _listed(written: Written) -> Listed:
    return written.name, str(written.path), written.description, written.parameters
