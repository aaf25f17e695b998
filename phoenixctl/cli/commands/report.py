"""`phoenixctl report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode

if TYPE_CHECKING:
    from phoenixctl.render.report.page import Report

app = single()

STDOUT: Final = "-"


@command(app, "report", help="Write a page of HTML: verdict, targets, graphs, what was done.")
def report(
    run: Run,
    *,
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="Where to; - is stdout.")
    ] = "phoenixctl-report.html",
    window: Annotated[
        str, typer.Option("--window", "-w", metavar="TIME", help="hour, day, or as 7d.")
    ] = "day",
) -> ExitCode:
    from phoenixctl.cli.observing import unobserved_code
    from phoenixctl.cli.reporting import gathered
    from phoenixctl.render.report.page import page
    from phoenixctl.store.disk import write_safely

    found = run.within(lambda parts: gathered(parts, window))
    content = page(found)
    if out == STDOUT and not run.output.for_programs:
        typer.echo(content, nl=False)
    else:
        if out != STDOUT:
            # For the one who asked alone: it has addresses and names of agents in it.
            write_safely(Path(out), content.encode())
        run.emit(
            "report",
            lambda: _document(found, out, content),
            lambda console: console.print(f"{out} ({len(content) // 1024} KiB)", soft_wrap=True),
        )
    return unobserved_code(found.status.snapshot)


def _document(found: Report, out: str, content: str) -> dict[str, object]:
    return {
        "fleet": found.status.fleet.name,
        "level": found.status.verdict.level.value,
        "file": None if out == STDOUT else out,
        "bytes": len(content.encode()),
        "graphs": [chart.title for chart in found.charts],
    }
