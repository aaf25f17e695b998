"""How agents came from node to node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from phoenixctl.model.names import AgentId
from phoenixctl.model.state import Migrated
from phoenixctl.model.units import format_bytes, format_duration
from phoenixctl.render.neutral import one_line
from phoenixctl.render.tables import table

Past = Sequence[tuple[AgentId, Migrated]]
_COLUMNS = ["WHEN", "AGENT", "FROM", "TO", "STRATEGY", "DOWNTIME", "COPIED", "OUTCOME"]


def print_migrations(past: Past, console: Console) -> None:
    """The latest first; a downtime that nobody saw whole is a question mark."""
    if not past:
        console.print(Text("nothing has migrated yet; see: phoenixctl migrate", style="dim"))
        return
    rows = [
        [
            one.at,
            agent,
            one.source,
            one.target,
            one.way.value,
            "?" if one.downtime_seconds is None else format_duration(one.downtime_seconds),
            format_bytes(one.bytes),
            one_line(one.outcome),
        ]
        for agent, one in past
    ]
    table(console, _COLUMNS, rows, right=frozenset({"DOWNTIME", "COPIED"}))


def migrations_document(past: Past) -> dict[str, Any]:
    return {
        "migrations": [
            {
                "agent": agent,
                "at": one.at,
                "from": one.source,
                "to": one.target,
                "strategy": one.way.value,
                "downtime_seconds": one.downtime_seconds,
                "bytes": one.bytes,
                "rounds": one.rounds,
                "outcome": one.outcome,
            }
            for agent, one in past
        ]
    }
