"""The live view for programs: one moment of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from phoenixctl.model.alerting import Alert
from phoenixctl.performance.compliance import fleet_compliance
from phoenixctl.render.top.header import agents_ready, fleet_numbers
from phoenixctl.render.top.rows import AgentRow, NodeRow
from phoenixctl.render.top.view import TopView

_OF_THE_SCREEN = ("style", "words", "gravity", "trend", "old")


def top_document(
    view: TopView, nodes: Sequence[NodeRow], agents: Sequence[AgentRow]
) -> Mapping[str, Any]:
    """The header, and rows in the order to show them."""
    ready, wanted = agents_ready(view)
    return {
        "fleet": view.fleet.name,
        "taken_at": view.snapshot.taken_at_utc,
        "verdict": view.verdict.level.value,
        "nodes_answering": len(view.snapshot.observed()),
        "nodes_wanted": len(view.nodes),
        "agents_ready": ready,
        "agents_wanted": wanted,
        **fleet_numbers(view),
        "compliance": fleet_compliance(view.targets),
        "changes": [
            {
                "operation": doing.operation,
                "by": doing.by,
                "since": _time(doing.since),
                "steps": list(doing.steps),
                "cut_off": doing.cut_off,
            }
            for doing in view.doing
        ],
        "alerts": None if view.alerts is None else [_alert(alert) for alert in view.alerts],
        "nodes": [_row(row) for row in nodes],
        "agents": [_row(row) for row in agents],
    }


def _row(row: NodeRow | AgentRow) -> dict[str, Any]:
    fields = {k: v for k, v in asdict(row).items() if k not in _OF_THE_SCREEN}
    return {**fields, "current": not row.old}


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "rule": alert.rule,
        "subject": alert.subject,
        "severity": alert.status.value,
        "since": _time(alert.since),
        "summary": alert.summary,
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
