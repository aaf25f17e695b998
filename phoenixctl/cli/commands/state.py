"""`phoenixctl state`."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from phoenixctl.cli.change_options import DryRun, Yes
from phoenixctl.cli.command import command, group
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode, Refused

app = group("Show, check and mend the record of the fleet.", default=True)


@command(app, "show", help="Show what is recorded: nodes, agents and sizes asked for.")
def show(
    run: Run,
    *,
    address: Annotated[
        str | None,
        typer.Argument(metavar="ADDRESS", help="Only these: node.web-1, agent.ingest-*."),
    ] = None,
) -> None:
    from phoenixctl.render.state import print_state, state_document

    state = asyncio.run(run.parts.records.read())
    run.emit(
        "state",
        lambda: state_document(state, address),
        lambda console: print_state(state, address, console),
    )


@command(app, "pull", help="Write the whole record as it is kept, for other programs.")
def pull(run: Run) -> None:
    content = asyncio.run(run.parts.records.pull())
    sys.stdout.flush()
    sys.stdout.buffer.write(content.rstrip(b"\n") + b"\n")
    sys.stdout.buffer.flush()


@command(app, "doctor", help="Check record, backups, journal and lock; say what to do.")
def doctor(run: Run) -> ExitCode:
    from phoenixctl.model.checks import Grade
    from phoenixctl.render.checks import checks_document, print_checks

    checks = asyncio.run(run.parts.records.doctor())
    run.emit(
        "state-doctor",
        lambda: checks_document(checks),
        lambda console: print_checks(checks, console, everything=True),
    )
    bad = any(check.grade is Grade.PROBLEM for check in checks)
    return ExitCode.ERROR if bad else ExitCode.OK


@command(
    app, "restore", help="Go back to a backup of the record; nodes and agents stay as they are."
)
def restore(
    run: Run,
    *,
    serial: Annotated[
        int, typer.Argument(metavar="SERIAL", help="Of the backup; `state doctor` lists them.")
    ],
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    backups = asyncio.run(run.parts.records.backups())
    kept = next((backup for backup in backups if backup.serial == serial), None)
    if dry_run:
        what = f"backup {serial}: {kept.damage or 'good'}" if kept else f"there is no {serial}"
        run.note(what)
        return ExitCode.OK if kept and not kept.damage else ExitCode.ERROR
    if not yes:
        if run.output.for_programs or not sys.stdin.isatty():
            raise Refused("the record would be replaced and nobody can be asked", hint="add --yes")
        if not typer.confirm(f"Replace the record by backup {serial}?", err=True):
            return ExitCode.REFUSED
    state = asyncio.run(run.parts.records.restore(serial))
    run.emit(
        "state-restore",
        lambda: {"fleet": state.fleet, "restored": serial, "serial": state.serial},
        lambda console: console.print(
            f"restored {serial} as {state.serial}; see what has changed since: phoenixctl plan",
            soft_wrap=True,
        ),
    )
    return ExitCode.OK
