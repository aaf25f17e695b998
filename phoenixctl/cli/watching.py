"""`metrics watch` as it is seen: a line that is rewritten on a terminal, or one for each tick."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from phoenixctl.model.errors import ExitCode
from phoenixctl.model.outcome import gravest
from phoenixctl.render.gather import fold
from phoenixctl.render.neutral import neutralise
from phoenixctl.render.times import utc

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run
    from phoenixctl.model.errors import PhoenixError
    from phoenixctl.model.names import NodeName
    from phoenixctl.workflows.watch import Tick


def watched(
    run: Run, nodes: Sequence[NodeName], interval: float, seconds: float | None
) -> ExitCode:
    """Watch, and say what is lost on stderr. The code is that of the nodes that are lost last."""
    from phoenixctl.workflows.watch import Watch

    terminal = sys.stdout.isatty() and not run.output.for_programs
    lost: dict[NodeName, PhoenixError] = {}

    def changed(name: NodeName, error: PhoenixError | None) -> None:
        if error is None:
            lost.pop(name, None)
        else:
            lost[name] = error
        what = "is there again" if error is None else f"{error.kind}: {error}"
        if terminal:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
        run.note(f"{name}: {what}" if error is not None else f"{name} {what}")

    def ticked(tick: Tick) -> None:
        if run.output.for_programs:
            sys.stdout.write(json.dumps(_document(tick)) + "\n")
        elif terminal:
            missing = f", {fold(tick.missing)} silent" if tick.missing else ""
            line = f"{utc(tick.at_seconds)}  {tick.fresh} of {tick.nodes} nodes{missing}"
            sys.stdout.write(f"\r\x1b[K{neutralise(line)}")
        sys.stdout.flush()

    async def work(parts: Parts) -> None:
        watching = Watch(
            parts.reach, parts.clock, nodes, interval_seconds=interval, on_change=changed
        )
        await watching.run(parts.metrics, ticked, seconds=seconds)

    run.within(work)
    if terminal:
        sys.stdout.write("\n")
    return gravest(error.exit_code for error in lost.values())


def _document(tick: Tick) -> dict[str, object]:
    return {
        "schema": "phoenixctl.metrics-tick/1",
        "at": utc(tick.at_seconds),
        "nodes": tick.nodes,
        "fresh": tick.fresh,
        "missing": list(tick.missing),
    }
