"""A collection of metrics, and what failed in it in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from phoenixctl.model.names import NodeName

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.cli.run import Run
    from phoenixctl.metrics.gathered import Collected


async def collected(parts: Parts, nodes: Iterable[NodeName]) -> Collected:
    """Gather and keep the metrics of these nodes, with progress on stderr."""
    from phoenixctl.cli.observing import observed
    from phoenixctl.workflows.collect import collect

    return await collect(lambda: observed(parts, nodes), parts.metrics, parts.clock)


def name_failures(run: Run, found: Collected) -> None:
    for node in found.snapshot.unobserved():
        run.note(f"{node.name}: {node.error.kind}: {node.error}")
        if node.error.hint:
            run.note(f"  try: {node.error.hint}")
