"""A snapshot with progress on stderr."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from phoenixctl.cli.progress import Progress
from phoenixctl.model.errors import ExitCode
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.workflows.observe import FULL, Depth, observe

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts


async def observed(
    parts: Parts,
    nodes: Iterable[NodeName] | None = None,
    *,
    depth: Depth = FULL,
    progress: bool = True,
) -> Snapshot:
    """Observe these nodes (None: all) and count them on stderr as they answer."""
    wanted = tuple(parts.fleet.nodes) if nodes is None else tuple(nodes)
    if not progress:
        return await observe(
            parts.fleet, parts.reach, parts.clock, parts.records, nodes=wanted, depth=depth
        )
    with Progress("asking nodes", len(wanted)) as shown:

        def on_node(_name: NodeName, node: NodeObservation | NodeUnobserved) -> None:
            shown.step(failed=isinstance(node, NodeUnobserved))

        return await observe(
            parts.fleet,
            parts.reach,
            parts.clock,
            parts.records,
            nodes=wanted,
            depth=depth,
            on_node=on_node,
        )


def unobserved_code(snapshot: Snapshot) -> ExitCode:
    """Unreachable nodes are 4, refused keys or log-ins 5; a degraded fleet that answers is 0."""
    from phoenixctl.model.outcome import gravest

    codes = [
        ExitCode.AUTHENTICATION
        if node.error.exit_code is ExitCode.AUTHENTICATION
        else ExitCode.UNREACHABLE
        for node in snapshot.unobserved()
    ]
    return gravest(codes)
