"""The record of a fleet, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from rich.console import Console
from rich.text import Text

from phoenixctl.model.state import AgentRecord, NodeRecord, State
from phoenixctl.render.neutral import one_line
from phoenixctl.render.tables import Cell, table


def print_state(state: State, address: str | None, console: Console) -> None:
    """Nodes, agents and sizes asked for; with an address, only what it matches."""
    if not state.lineage:
        console.print(Text("nothing is recorded yet; see: phoenixctl plan", style="dim"))
        return
    console.print(
        Text(f"{state.fleet}, serial {state.serial}, lineage {state.lineage}", style="bold"),
        soft_wrap=True,
    )
    nodes, agents = _chosen(state, address)
    if nodes:
        console.print()
        columns = ["NODE", "POOL", "ID", "ZONE", "TYPE", "JOINED", "PROTECTED", "ADDRESS"]
        table(console, columns, [_node_row(record) for record in nodes], drop=("ZONE", "TYPE"))
    if agents:
        console.print()
        rows = [[a.id, a.node, str(a.epoch), a.spec_digest] for a in agents]
        table(console, ["AGENT", "NODE", "EPOCH", "SPEC"], rows, right=frozenset({"EPOCH"}))
    if state.pools and address is None:
        console.print()
        rows = [[name, str(p.size), p.by, p.at] for name, p in state.pools.items()]
        table(console, ["POOL", "SIZE", "ASKED BY", "AT"], rows, right=frozenset({"SIZE"}))


def _chosen(state: State, address: str | None) -> tuple[list[NodeRecord], list[AgentRecord]]:
    pattern = address or "*"
    nodes = [r for name, r in state.nodes.items() if fnmatchcase(f"node.{name}", pattern)]
    agents = [r for name, r in state.agents.items() if fnmatchcase(f"agent.{name}", pattern)]
    return nodes, agents


def _node_row(record: NodeRecord) -> list[Cell]:
    node = record.node
    return [
        node.name,
        node.pool,
        record.id,
        record.zone or "-",
        f"{record.kind or '-'}{' spot' if record.market == 'spot' else ''}",
        "yes" if record.joined else "no",
        "yes" if record.protected else "no",
        one_line(f"{node.address}:{node.port}" if node.port else node.address),
    ]


def state_document(state: State, address: str | None) -> Mapping[str, Any]:
    nodes, agents = _chosen(state, address)
    return {
        "fleet": state.fleet,
        "lineage": state.lineage or None,
        "serial": state.serial,
        "nodes": [
            {
                "name": r.node.name,
                "pool": r.node.pool,
                "provider": r.provider,
                "id": r.id,
                "address": r.node.address,
                "port": r.node.port,
                "zone": r.zone or None,
                "type": r.kind or None,
                "market": r.market or None,
                "protected": r.protected,
                "joined": r.joined or None,
                "labels": dict(r.node.labels),
            }
            for r in nodes
        ],
        "agents": [
            {"id": a.id, "node": a.node, "epoch": a.epoch, "spec_digest": a.spec_digest}
            for a in agents
        ],
        "pools": [
            {"name": name, "size": p.size, "by": p.by, "at": p.at}
            for name, p in state.pools.items()
        ],
    }
