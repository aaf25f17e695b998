"""Decisions about pools: a list of them, and events that were told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.ports.scaling import Evaluated, Outcome, Received
from phoenixctl.render.tables import Cell, styled, table
from phoenixctl.render.times import utc

_COLUMNS: Final = ("ID", "WHEN", "POOL", "DECISION", "NODES", "OUTCOME", "BY", "WHY")
_DROPPED: Final = ("BY", "WHEN")
_STYLE: Final = {
    Outcome.DONE: "green",
    Outcome.OBSERVED: "cyan",
    Outcome.BEGUN: "yellow",
    Outcome.CUT_OFF: "yellow",
    Outcome.REFUSED: "yellow",
    Outcome.FAILED: "red",
}


def print_decisions(found: Sequence[Evaluated], console: Console) -> None:
    if not found:
        console.print(Text("nothing was decided yet", style="dim"))
        return
    rows: list[list[Cell]] = [
        [
            one.id,
            utc(one.at),
            one.pool,
            one.direction,
            nodes_of(one),
            styled(one.outcome.value, _STYLE.get(one.outcome, "dim")),
            one.by,
            why_of(one),
        ]
        for one in found
    ]
    table(console, _COLUMNS, rows, drop=_DROPPED)


def nodes_of(one: Evaluated) -> str:
    """`3 -> 5`, or `3`."""
    return str(one.current) if one.wanted == one.current else f"{one.current} -> {one.wanted}"


def why_of(one: Evaluated) -> str:
    """What it came of, or what became of it where that says more."""
    return one.detail or "; ".join(one.explain.get("reasons", ()))


def decisions_document(fleet: str, found: Sequence[Evaluated]) -> Mapping[str, Any]:
    return {"fleet": fleet, "decisions": [decision_document(one) for one in found]}


def decision_document(one: Evaluated) -> Mapping[str, Any]:
    return {
        "id": one.id,
        "pool": one.pool,
        "at": utc(one.at),
        "by": one.by,
        "direction": one.direction,
        "current": one.current,
        "wanted": one.wanted,
        "outcome": one.outcome.value,
        "detail": one.detail or None,
        "operation": one.operation or None,
        **one.explain,
    }


def print_event(event: Received, console: Console, *, dry_run: bool) -> None:
    word = "would be kept" if dry_run else "is kept"
    console.print(styled(f"{event.name} {word} for policies that wait for it", ""))


def event_document(event: Received, *, dry_run: bool) -> Mapping[str, Any]:
    return {
        "event": event.name,
        "at": utc(event.at),
        "by": event.by,
        "data": event.data or None,
        "kept": not dry_run,
    }
