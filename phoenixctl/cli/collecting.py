"""A collection of metrics, and what failed in it in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from phoenixctl.model.names import NodeName

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run
    from phoenixctl.metrics.gathered import Collected
    from phoenixctl.model.reading import Reading
    from phoenixctl.model.snapshot import Snapshot


async def collected(parts: Parts, nodes: Iterable[NodeName]) -> Collected:
    """Gather and keep the metrics of these nodes, with progress on stderr."""
    from phoenixctl.cli.observing import observed
    from phoenixctl.performance.verdict import covers, current_readings
    from phoenixctl.workflows.collect import collect

    def targeted(snapshot: Snapshot) -> Mapping[str, Reading]:
        # Of chosen nodes they would be other values, under the name of the fleet's.
        if not covers(parts.fleet, snapshot):
            return {}
        return current_readings(snapshot, parts.records.availability())

    return await collect(lambda: observed(parts, nodes), targeted, parts.metrics, parts.clock)


def name_failures(run: Run, found: Collected) -> None:
    for node in found.snapshot.unobserved():
        run.note(f"{node.name}: {node.error.kind}: {node.error}")
        if node.error.hint:
            run.note(f"  try: {node.error.hint}")
