"""What `metrics collect` has kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from phoenixctl.metrics.gathered import Collected
from phoenixctl.model.errors import PhoenixError
from phoenixctl.render.tables import styled
from phoenixctl.render.times import utc


def print_collected(collected: Collected, console: Console) -> None:
    snapshot = collected.snapshot
    seen, agents = len(snapshot.observed()), len(snapshot.agents())
    console.print(
        styled(
            f"{snapshot.fleet}: {collected.metrics} metrics, {collected.values} values of "
            f"{seen} of {len(snapshot.nodes)} nodes and {agents} agents{_asked(collected)}, "
            f"kept as of {utc(collected.at_seconds)}",
            "",
        ),
        soft_wrap=True,
    )


def _asked(collected: Collected) -> str:
    if not collected.asked:
        return ""
    answered = sum(one.error is None for one in collected.asked)
    return f", {answered} of {len(collected.asked)} collectors"


def collected_document(collected: Collected) -> Mapping[str, Any]:
    snapshot = collected.snapshot
    return {
        "fleet": snapshot.fleet,
        "at": utc(collected.at_seconds),
        "metrics": collected.metrics,
        "values": collected.values,
        "nodes": len(snapshot.nodes),
        "agents": len(snapshot.agents()),
        "collectors": [
            {
                "collector": one.collector.name,
                "kind": one.collector.kind.value,
                "node": one.node,
                "samples": len(one.samples),
            }
            for one in collected.asked
        ],
        "failures": [
            *(_failure(node.name, node.error) for node in snapshot.unobserved()),
            *(
                {**_failure(one.node, one.error), "collector": one.collector.name}
                for one in collected.asked
                if one.error is not None
            ),
        ],
    }


def _failure(node: str, error: PhoenixError) -> dict[str, Any]:
    return {"node": node, "kind": error.kind, "what": error.what, "hint": error.hint}
