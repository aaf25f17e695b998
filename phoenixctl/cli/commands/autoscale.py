"""`phoenixctl autoscale`."""

from __future__ import annotations

from typing import Annotated

import typer

from phoenixctl.cli.command import command, group
from phoenixctl.cli.run import Run

app = group("Keep pools as large as policies say, by what is measured and forecast.", default=True)

OfPool = Annotated[
    str | None, typer.Option("--pool", metavar="POOL", help="Only decisions about this pool.")
]


@command(app, "history", help="List what was decided, the latest first.")
def history(
    run: Run,
    *,
    pool: OfPool = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="At most so many.")
    ] = 20,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those by which nothing was to be done.")
    ] = False,
) -> None:
    from phoenixctl.render.scaling import decisions_document, print_decisions

    found = run.parts.scaling.history(limit=limit, pool=pool, events=not everything)
    run.emit(
        "autoscale-history",
        lambda: decisions_document(run.parts.fleet.name, found),
        lambda console: print_decisions(found, console),
    )


@command(app, "event", help="Tell of an event that policies may wait for, from a hook or script.")
def event(
    run: Run,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="As a policy names it.")],
    data: Annotated[
        str, typer.Option("--data", metavar="TEXT", help="What came with it, kept beside it.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be kept and keep nothing.")
    ] = False,
) -> None:
    from phoenixctl.ports.scaling import Received
    from phoenixctl.render.scaling import event_document, print_event

    parts = run.parts
    made = Received(name, parts.clock.epoch(), parts.by, data)
    if not dry_run:
        parts.scaling.receive(made)
    run.emit(
        "autoscale-event",
        lambda: event_document(made, dry_run=dry_run),
        lambda console: print_event(made, console, dry_run=dry_run),
    )
