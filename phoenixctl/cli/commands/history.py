"""`phoenixctl history`."""

from __future__ import annotations

from typing import Annotated

import typer

from phoenixctl.cli.command import command, group
from phoenixctl.cli.run import Run

app = group("Show what was done to the fleet, and by whom.", default=True)

Operation = Annotated[
    str, typer.Argument(metavar="ID", help="Of an operation; `phoenixctl history` lists them.")
]


@command(app, "ls", help="List operations, the latest first.")
def ls(
    run: Run,
    *,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="At most so many.")
    ] = 20,
) -> None:
    import asyncio

    from phoenixctl.render.history import history_document, print_history

    entries = asyncio.run(run.parts.records.history())[:limit]
    run.emit(
        "history",
        lambda: history_document(run.parts.fleet.name, entries),
        lambda console: print_history(entries, console),
    )


@command(app, "show", help="Show one operation: its plan, and what became of each step.")
def show(run: Run, *, operation: Operation) -> None:
    import asyncio

    from phoenixctl.render.history import past_document, print_past

    past = asyncio.run(run.parts.records.past(operation))
    run.emit("operation", lambda: past_document(past), lambda console: print_past(past, console))
