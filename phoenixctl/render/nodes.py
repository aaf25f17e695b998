"""Nodes as configured, and one node in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from phoenixctl.model.fleet import Fleet, Node
from phoenixctl.model.reading import Metric
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.model.units import format_duration
from phoenixctl.render.agents import DROPPED, agent_rows
from phoenixctl.render.readings import print_readings
from phoenixctl.render.tables import pairs, styled, table


def print_nodes(nodes: Sequence[Node], console: Console) -> None:
    rows = [
        [n.name, n.pool, _address(n), str(n.supervisor), n.jump or "-", _labels(n)] for n in nodes
    ]
    table(console, ("NODE", "POOL", "ADDRESS", "SUPERVISOR", "JUMP", "LABELS"), rows)


def nodes_document(fleet: Fleet, nodes: Sequence[Node]) -> Mapping[str, Any]:
    return {
        "fleet": fleet.name,
        "nodes": [
            {
                "name": n.name,
                "pool": n.pool,
                "address": n.address,
                "port": n.port,
                "user": n.user,
                "agent_address": n.agent_address,
                "jump": n.jump,
                "sudo": n.sudo,
                "supervisor": n.supervisor.value,
                "labels": dict(n.labels),
            }
            for n in nodes
        ],
    }


def describe_node(fleet: Fleet, snapshot: Snapshot, console: Console) -> None:
    """Every fact and reading with its age; what is unknown says why."""
    for node in snapshot.nodes.values():
        configured = fleet.nodes[node.name]
        console.print(Text(node.name, style="bold"))
        facts: list[tuple[str, str | Text]] = [
            ("pool", configured.pool),
            ("address", _address(configured)),
            ("labels", _labels(configured)),
        ]
        if isinstance(node, NodeUnobserved):
            facts += [("state", styled(node.error.kind, "red")), ("why", str(node.error))]
            facts += [("try", node.error.hint)] if node.error.hint else []
            pairs(console, facts)
            continue
        _describe_observed(node, facts, snapshot, console)


def _describe_observed(
    node: NodeObservation,
    facts: list[tuple[str, str | Text]],
    snapshot: Snapshot,
    console: Console,
) -> None:
    cordon = node.cordon
    mark = f"by {cordon.by} at {cordon.at}: {cordon.reason}" if cordon else "no"
    facts += [
        ("hostname", node.hostname),
        ("kernel", node.kernel),
        ("boot", node.boot_id),
        ("supervisor", f"{node.supervisor}, agents under {node.base_dir}"),
        ("cordoned", mark),
        ("answered in", format_duration(node.seconds)),
    ]
    facts += [("warning", styled(warning, "yellow")) for warning in node.warnings]
    pairs(console, facts)
    console.print()
    now = snapshot.taken_at
    print_readings(console, Metric, node.metrics, now=now)
    if node.agents:
        console.print()
        columns, agents, right = agent_rows(node.agents, now=now, wide=True)
        table(console, columns, agents, right=right, drop=DROPPED)


def _address(node: Node) -> str:
    user = f"{node.user}@" if node.user else ""
    port = f":{node.port}" if node.port and node.port != 22 else ""
    return f"{user}{node.address}{port}"


def _labels(node: Node) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(node.labels.items())) or "-"
