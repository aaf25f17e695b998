"""`phoenixctl metrics`."""

from __future__ import annotations

from typing import Annotated

import typer

from phoenixctl.cli.command import command, group
from phoenixctl.cli.run import Run
from phoenixctl.cli.select import LabelOption, NodesOption, PoolOption, choose_nodes
from phoenixctl.model.errors import ExitCode

app = group("Keep metrics over time, and show them.")


@command(app, "collect", help="Gather the metrics of the fleet once and keep them; for cron.")
def collect(
    run: Run,
    *,
    nodes: NodesOption = None,
    pool: PoolOption = None,
    label: LabelOption = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say only what failed, as cron mails it.")
    ] = False,
) -> ExitCode:
    from phoenixctl.cli.collecting import collected, name_failures
    from phoenixctl.cli.observing import unobserved_code
    from phoenixctl.render.collected import collected_document, print_collected

    chosen = choose_nodes(run.parts.fleet, nodes, pool, label)
    found = run.within(lambda parts: collected(parts, chosen))
    if not quiet or run.output.for_programs:
        run.emit(
            "metrics-collected",
            lambda: collected_document(found),
            lambda console: print_collected(found, console),
        )
    name_failures(run, found)
    return unobserved_code(found.snapshot)
