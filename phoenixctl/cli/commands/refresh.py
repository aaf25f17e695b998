"""`phoenixctl refresh`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from phoenixctl.cli.change_options import DryRun, Yes
from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode, Refused

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.workflows.refresh import Refreshed

app = single()


@command(app, "refresh", help="Bring the record up to date with the nodes and providers.")
def refresh(
    run: Run,
    *,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="Take in what is not recorded too; builds a lost record anew."
        ),
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    async def story(parts: Parts) -> ExitCode:
        from phoenixctl.workflows.refresh import rebuilt

        found = await rebuilt(parts.records, parts.configured.name, adopt=adopt, look=_look(parts))
        if dry_run or not run.output.for_programs:
            _show(run, found)
        if dry_run or not found.differences:
            return ExitCode.OK
        if not yes and not _agreed(run):
            return ExitCode.REFUSED
        title = "refresh --adopt" if adopt else "refresh"
        await parts.records.replace_state(found.state, title=title)
        if run.output.for_programs:
            _show(run, found)
        else:
            run.note("the record is up to date; next: phoenixctl plan")
        return ExitCode.OK

    return run.within(story)


def _look(parts: Parts) -> Any:
    from phoenixctl.cli.planned import looked_from

    return lambda state: looked_from(parts, state)


def _agreed(run: Run) -> bool:
    if run.output.for_programs or not sys.stdin.isatty():
        raise Refused(
            "the record would be changed and nobody can be asked",
            hint="read it with --dry-run, then add --yes",
        )
    return typer.confirm("Write it down so?", err=True)


def _show(run: Run, found: Refreshed) -> None:
    from phoenixctl.render.neutral import one_line

    def human(console: Any) -> None:
        for drift in found.differences:
            console.print(one_line(f"~ {drift.address}: {drift.what}"), soft_wrap=True)
        if not found.differences:
            console.print("the record is up to date", style="bold")

    run.emit(
        "refresh",
        lambda: {
            "fleet": found.state.fleet,
            "lineage": found.state.lineage or None,
            "differences": [{"address": d.address, "what": d.what} for d in found.differences],
        },
        human,
    )
