"""What became of agents' checkpoints, as rows and as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.units import format_bytes, format_duration
from phoenixctl.render.tables import Cell, styled

COLUMNS: Final = ("AGENT", "NODE", "CHECKPOINT", "AGE", "SIZE", "KEPT ON")
NUMBERS: Final = frozenset({"AGE", "SIZE"})
_STYLE: Final = {"copied": "green", "short": "yellow", "failed": "red", "due": "cyan"}


def checkpoint_row(
    agent: AgentId,
    node: NodeName,
    fate: str,
    *,
    age_seconds: float | None,
    size: int | None,
    peers: Sequence[NodeName],
) -> list[Cell]:
    """`age_seconds` is of the last one; it is new when one was made."""
    return [
        agent,
        node,
        styled(fate, _STYLE.get(fate, "dim")),
        "-" if age_seconds is None else format_duration(age_seconds),
        "-" if size is None else format_bytes(size),
        ", ".join(peers) or "-",
    ]


def errors_document(errors: Mapping[NodeName, PhoenixError]) -> dict[str, Any]:
    return {
        node: {"kind": error.kind, "what": error.what, "hint": error.hint}
        for node, error in errors.items()
    }
