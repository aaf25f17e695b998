"""`phoenixctl targets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.command import command, single
from phoenixctl.cli.periods import length
from phoenixctl.cli.run import Run

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.render.targets import Period

app = single()


@command(app, "targets", help="Show how well targets were met over time, and where they are going.")
def targets(
    run: Run,
    *,
    window: Annotated[
        list[str] | None,
        typer.Option(
            "--window", "-w", metavar="TIME", help="hour, day, or as 7d; may be given again."
        ),
    ] = None,
) -> None:
    from phoenixctl.render.targets import print_targets_over_time, targets_document

    names = window or ["hour", "day", "7d"]
    found = [period(run.parts, name) for name in names]
    run.emit(
        "targets",
        lambda: targets_document(run.parts.fleet.name, found),
        lambda console: print_targets_over_time(found, console),
    )


def period(parts: Parts, name: str) -> Period:
    """Every target over the window of this name, which ends now."""
    from phoenixctl.cli.metric_query import read
    from phoenixctl.metrics.windows import last
    from phoenixctl.performance.compliance import OBJECTIVES
    from phoenixctl.performance.over_time import over_time
    from phoenixctl.render.targets import Period

    now = parts.clock.epoch()
    window = last(length(name), now=now)
    histories = {
        objective.name: read(parts.metrics, objective.name, window, now=now)
        for objective in OBJECTIVES
    }
    return Period(name, over_time(parts.fleet.targets, histories, window))
