"""`phoenixctl placement`."""

from __future__ import annotations

from phoenixctl.cli.command import command, group
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode

app = group("Show how well agents are placed.")


@command(app, "stats", help="Totals, use, efficiency, room for more, and broken rules.")
def stats(run: Run) -> ExitCode:
    from phoenixctl.cli.placing import seen_in_full
    from phoenixctl.placement.stats import placement_stats
    from phoenixctl.render.placement import print_stats, stats_document

    fleet, snapshot = run.within(seen_in_full)
    found = placement_stats(fleet, snapshot)
    run.emit("placement_stats", lambda: stats_document(found), lambda c: print_stats(found, c))
    return ExitCode.OK
