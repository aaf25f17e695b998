"""`phoenixctl balance simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.run import Run
from phoenixctl.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenixctl.balancing.simulate.setting import Way


def simulate(
    run: Run,
    *,
    ways: Annotated[
        list[str] | None,
        typer.Option("--strategy", "-s", metavar="WAY", help="Only this; may be given again."),
    ] = None,
    speeds: Annotated[
        str | None,
        typer.Option(
            "--speeds",
            metavar="LIST",
            help="1.0x4,0.5x2: four ordinary members, two half as fast; by default the fleet's.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=1000, help="Requests at a time in a member.")
    ] = 4,
    load: Annotated[
        str, typer.Option("--load", metavar="SHARE", help="Of what all members can do: 70%.")
    ] = "70%",
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE", help="CSV, timestamp,value; its peak is --load."),
    ] = None,
    service: Annotated[
        str, typer.Option("--service", metavar="TIME", help="What a request takes on average.")
    ] = "10ms",
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="When a client gives up.")
    ] = "2s",
    seconds: Annotated[
        int,
        typer.Option("--seconds", min=60, max=3600, help="How long; the second half is judged."),
    ] = 60,
    failing: Annotated[
        bool, typer.Option("--failing", help="Also ways that are known to fail, to see it.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another one: other chance.")] = 0,
) -> None:
    from phoenixctl.cli.durations import seconds_of
    from phoenixctl.cli.simulating import Question, played, ratio_of, speeds_of
    from phoenixctl.render.simulated import print_simulated, simulated_document

    question = Question(
        speeds=speeds_of(run, speeds),
        workers=workers,
        load=ratio_of("--load", load),
        trace=trace,
        service_seconds=seconds_of("--service", service) or 0.01,
        timeout_seconds=seconds_of("--timeout", timeout) or 2.0,
        seconds=seconds,
        seed=seed,
    )
    found = played(question, _chosen(ways, failing=failing))
    # Whoever loses no requests first, then by the slowest of a hundred.
    best = min(found, key=lambda one: (round(one.errors, 3), one.p99))
    run.emit(
        "balance-simulated",
        lambda: simulated_document(found, best, question.document()),
        lambda console: print_simulated(found, best, console),
    )


def _chosen(names: Sequence[str] | None, *, failing: bool) -> Sequence[Way]:
    from phoenixctl.balancing.simulate.setting import FAILING, WAYS

    known = (*WAYS, *FAILING)
    if not names:
        return known if failing else WAYS
    by_name = {way.name: way for way in known}
    for name in names:
        if name not in by_name:
            raise UsageError(f"there is no way {name}", hint=f"one of: {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(names)]
