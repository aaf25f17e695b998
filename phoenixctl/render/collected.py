"""What `metrics collect` has kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from phoenixctl.metrics.gathered import Collected
from phoenixctl.render.tables import styled
from phoenixctl.render.times import utc


def print_collected(collected: Collected, console: Console) -> None:
    snapshot = collected.snapshot
    seen, agents = len(snapshot.observed()), len(snapshot.agents())
    console.print(
        styled(
            f"{snapshot.fleet}: {collected.metrics} metrics, {collected.values} values of "
            f"{seen} of {len(snapshot.nodes)} nodes and {agents} agents, "
            f"kept as of {utc(collected.at_seconds)}",
            "",
        ),
        soft_wrap=True,
    )


def collected_document(collected: Collected) -> Mapping[str, Any]:
    snapshot = collected.snapshot
    return {
        "fleet": snapshot.fleet,
        "at": utc(collected.at_seconds),
        "metrics": collected.metrics,
        "values": collected.values,
        "nodes": len(snapshot.nodes),
        "agents": len(snapshot.agents()),
        "failures": [
            {"node": n.name, "kind": n.error.kind, "what": n.error.what, "hint": n.error.hint}
            for n in snapshot.unobserved()
        ],
    }
