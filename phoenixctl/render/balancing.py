"""Weights of members, and rounds of them: what was seen, what is wanted, what is set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.model.balancing import BalancingSettings
from phoenixctl.model.reading import Unit
from phoenixctl.planning.weighing import Weighed, Weighing
from phoenixctl.render.past_rounds import PastRound
from phoenixctl.render.tables import Cell, table
from phoenixctl.render.times import utc
from phoenixctl.render.values import in_unit

_COLUMNS: Final = (
    "MEMBER", "NODE", "WEIGHT", "WANTED", "SET", "EFFECTIVE", "REQUESTS", "USED", "CPU", "MEMORY",
    "RESPONSE", "ERRORS", "NOTE",
)  # fmt: skip
_NUMBERS: Final = frozenset(_COLUMNS[2:-1])
_DROPPED: Final = ("MEMORY", "CPU", "ERRORS", "WEIGHT", "NODE", "EFFECTIVE")


def print_weighings(
    settings: BalancingSettings, found: Sequence[Weighing], console: Console
) -> None:
    """A table for each backend, with what weights are made of above it."""
    for number, weighing in enumerate(found):
        if number:
            console.print()
        healthy = sum(m.seen.serves for m in weighing.members)
        console.print(
            f"{weighing.of}: {settings.strategy.value} by {settings.formula.value},"
            f" {healthy} of {len(weighing.members)} members serve",
            highlight=False,
            markup=False,
        )
        if weighing.restarted:
            console.print("the router was started anew since the last round", style="yellow")
        rows = [_row(member) for member in weighing.members]
        table(console, _COLUMNS, rows, right=_NUMBERS, drop=_DROPPED)


def _row(member: Weighed) -> list[Cell]:
    note = Text(member.why, style="yellow" if member.foreign else "dim")
    return [
        member.name,
        member.node or "-",
        _plain(member.weight),
        "-" if member.wanted is None else _changed(member),
        str(member.now),
        "?" if member.seen.effective_weight is None else str(member.seen.effective_weight),
        in_unit(member.requests_per_second, Unit.PER_SECOND),
        in_unit(member.utilization, Unit.RATIO),
        in_unit(member.cpu, Unit.RATIO),
        in_unit(member.memory, Unit.RATIO),
        in_unit(member.response_seconds, Unit.SECONDS),
        in_unit(member.error_ratio, Unit.RATIO),
        note,
    ]


def _changed(member: Weighed) -> Cell:
    return Text(str(member.wanted), style="cyan" if member.changes else "")


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def weighings_document(
    fleet: str, settings: BalancingSettings, found: Sequence[Weighing]
) -> Mapping[str, Any]:
    """The same for programs; what is unknown is null."""
    return {
        "fleet": fleet,
        "strategy": settings.strategy.value,
        "formula": settings.formula.value,
        "backends": [
            {
                "backend": weighing.of,
                "restarted": weighing.restarted,
                "panic": weighing.round.panic,
                "members": [_member(member) for member in weighing.members],
            }
            for weighing in found
        ],
    }


def _member(member: Weighed) -> Mapping[str, Any]:
    return {
        "name": member.name,
        "agent": member.agent,
        "node": member.node,
        "state": member.seen.member.state.value,
        "up": member.seen.up,
        "weight": member.weight,
        "weight_wanted": member.wanted,
        "weight_set": member.now,
        "weight_effective": member.seen.effective_weight,
        "foreign": member.foreign,
        "note": member.why or None,
        "requests_per_second": member.requests_per_second,
        "error_ratio": member.error_ratio,
        "utilization": member.utilization,
        "response_seconds": member.response_seconds,
        "cpu_utilization": member.cpu,
        "memory_utilization": member.memory,
        "capacity_per_second": member.capacity,
    }


def print_rounds(found: Sequence[PastRound], console: Console) -> None:
    """A line for each round, the latest last."""
    if not found:
        console.print("no round of weights is kept; try: phoenixctl balance auto --once")
        return
    rows: list[list[Cell]] = [
        [
            utc(one.at_seconds),
            one.backend,
            str(len(one.weights)),
            f"{min(one.weights.values()):.2f}",
            f"{max(one.weights.values()):.2f}",
            "-" if one.largest_change is None else f"{one.largest_change:.1%}",
            one.moved or "",
        ]
        for one in found
    ]
    columns = ("AT", "BACKEND", "MEMBERS", "LEAST", "MOST", "CHANGE", "OF")
    table(console, columns, rows, right=frozenset(columns[2:6]))


def rounds_document(fleet: str, found: Sequence[PastRound]) -> Mapping[str, Any]:
    return {
        "fleet": fleet,
        "rounds": [
            {
                "at_seconds": one.at_seconds,
                "backend": one.backend,
                "weights": dict(one.weights),
                "largest_change": one.largest_change,
            }
            for one in found
        ],
    }
