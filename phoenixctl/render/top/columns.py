"""Rows under columns of a fixed width: what fits, in which order, and how each line looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from rich.cells import cell_len, set_cell_size

from phoenixctl.model.reading import Unit
from phoenixctl.model.units import format_duration
from phoenixctl.render.neutral import one_line
from phoenixctl.render.top.bars import bars
from phoenixctl.render.top.rows import AgentRow, NodeRow
from phoenixctl.render.top.view import Line, Piece
from phoenixctl.render.values import UNKNOWN, in_unit

R = TypeVar("R")

NOTHING: Final = "-"
WORST: Final = "worst"  # the order that rows have by themselves
OLD: Final = "dim italic"
_GAP: Final = 1
_NAMES: Final = (8, 24)  # how wide a column of names is, at least and at most
_LAST: Final = (12, 24)  # the last column takes what is left, and this at least
_SPARE: Final = 16  # with so much left over, columns stand further apart
_TREND: Final = 12
# What values are as alerts have it by default: from here on a warning, and critical.
_BUSY: Final = (0.8, 0.95)
_FULL: Final = (0.85, 0.95)
_PRESSED: Final = (0.1, 0.4)
_ERRORS: Final = (0.05, 0.1)


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """A column: its text and style for a row, and what it is sorted by; None comes last.

    `rising`: the lowest come first. On a narrow screen those with the smallest `keep` go first.
    """

    name: str
    width: int
    text: Callable[[R], str]
    key: Callable[[R], Any]
    style: Callable[[R], str] = lambda _row: ""
    right: bool = True
    rising: bool = False
    keep: int = 100


@dataclass(frozen=True, slots=True)
class Sorting:
    """By which column, `WORST` for none; `reverse` turns its own order round."""

    column: str = WORST
    reverse: bool = False


def _valued(
    name: str,
    field: str,
    unit: Unit,
    *,
    width: int,
    keep: int,
    limits: tuple[float, float] | None = None,
) -> Column[Any]:
    def value(row: Any) -> float | None:
        found: float | None = getattr(row, field)
        return found

    def style(row: Any) -> str:
        return graded(value(row), limits)

    return Column(name, width, lambda row: in_unit(value(row), unit), value, style, keep=keep)


def _percent(name: str, field: str, *, width: int, keep: int, limits: tuple[float, float]) -> Any:
    """A share in whole hundredths: what is below one does not matter here."""
    column = _valued(name, field, Unit.RATIO, width=width, keep=keep, limits=limits)
    return replace(
        column, text=lambda r: UNKNOWN if (v := column.key(r)) is None else f"{v * 100:.0f}%"
    )


def _age(row: NodeRow | AgentRow) -> str:
    age = row.age_seconds
    if age is None:
        return NOTHING
    return f"{age:.1f}s" if age < 9.95 else format_duration(age)  # at 31ms nobody looks twice


def _age_style(row: NodeRow | AgentRow) -> str:
    return "yellow" if row.old else "dim"


def _weight(row: NodeRow | AgentRow) -> str:
    return NOTHING if row.weight is None else str(row.weight)


def _grave(row: NodeRow | AgentRow) -> str:
    return ("", "yellow", "red")[row.gravity]


def _name(width: int) -> Column[Any]:
    return Column("", width, lambda r: one_line(r.name), lambda r: r.name, _grave, False, True)


def _state() -> Column[Any]:
    return Column("STATE", 11, lambda r: one_line(r.state), lambda r: r.state, lambda r: r.style,
                  right=False, rising=True)  # fmt: skip


def _why(name: str) -> Column[Any]:
    return Column(name, _LAST[0], lambda r: r.why, lambda r: r.why or None, lambda _: "dim",
                  right=False, rising=True)  # fmt: skip


NODE_COLUMNS: Final[tuple[Column[NodeRow], ...]] = (
    replace(_name(8), name="NODE"),
    _state(),
    _percent("DEV", "deviation", width=5, keep=30, limits=(1e-9, 1.0)),
    _percent("CPU", "cpu", width=4, keep=90, limits=_BUSY),
    Column("TREND", _TREND, lambda r: bars(r.trend, _TREND, full=1.0).rjust(_TREND),
           lambda r: r.cpu, lambda _: "cyan", right=False, keep=2),
    _percent("MEM", "memory", width=4, keep=90, limits=_FULL),
    _percent("PSI-CPU", "pressure_cpu", width=7, keep=24, limits=_PRESSED),
    _percent("PSI-MEM", "pressure_memory", width=7, keep=21, limits=_PRESSED),
    _percent("PSI-IO", "pressure_io", width=6, keep=22, limits=_PRESSED),
    _valued("RUNQ", "run_queue", Unit.COUNT, width=4, keep=20),
    Column("AGENTS", 6, lambda r: share(r.ready, r.agents), lambda r: r.agents,
           lambda r: "yellow" if r.ready != r.agents else "", keep=80),
    _valued("P95", "p95", Unit.SECONDS, width=6, keep=85),
    _valued("P99", "p99", Unit.SECONDS, width=6, keep=60),
    _valued("ERR", "errors", Unit.RATIO, width=5, keep=50, limits=_ERRORS),
    _valued("MSG", "throughput", Unit.PER_SECOND, width=7, keep=26),
    Column("WEIGHT", 6, _weight, lambda r: r.weight, keep=10),
    Column("AGE", 6, _age, lambda r: r.age_seconds, _age_style, keep=70),
    _why("WHY"),
)  # fmt: skip
AGENT_COLUMNS: Final[tuple[Column[AgentRow], ...]] = (
    replace(_name(8), name="AGENT"),
    Column("NODE", 8, lambda r: one_line(r.node), lambda r: r.node, right=False, rising=True),
    _state(),
    _valued("UP", "up_seconds", Unit.SECONDS, width=6, keep=40),
    _valued("RESTARTS", "restarts", Unit.COUNT, width=8, keep=30),
    _valued("CPU", "cpu", Unit.CORES, width=5, keep=80),
    _valued("RSS", "rss", Unit.BYTES, width=7, keep=75),
    _valued("QUEUE", "queue", Unit.COUNT, width=6, keep=20),
    _valued("P95", "p95", Unit.SECONDS, width=6, keep=85),
    _valued("P99", "p99", Unit.SECONDS, width=6, keep=60),
    _valued("ERR", "errors", Unit.RATIO, width=5, keep=50, limits=_ERRORS),
    _valued("MSG", "throughput", Unit.PER_SECOND, width=7, keep=45),
    Column("WEIGHT", 6, _weight, lambda r: r.weight, keep=10),
    Column("AGE", 6, _age, lambda r: r.age_seconds, _age_style, keep=70),
    _why("NOTE"),
)


def fitting(columns: Sequence[Column[R]], rows: Sequence[R], width: int) -> tuple[Column[R], ...]:
    """The columns that have room beside each other, names as wide as they need to be, the last one
    with what is left. A column in which no row has a weight or a trend is left out."""
    kept = [_with_names(column, rows) for column in columns if _says_something(column, rows)]
    kept[-1] = replace(kept[-1], width=min(_LAST[1], max(_LAST[0], width // 6)))
    while len(kept) > 2 and _needed(kept) > width:
        kept.remove(min(kept[:-1], key=lambda column: column.keep))
    if width - _needed(kept) >= len(kept) + _SPARE:
        kept[:-1] = [replace(column, width=column.width + 1) for column in kept[:-1]]
    last = replace(kept[-1], width=max(0, width - _needed(kept[:-1]) - _GAP))
    return (*kept[:-1], last)


def ordered(columns: Sequence[Column[R]], rows: Iterable[R], sorting: Sorting) -> tuple[R, ...]:
    """The rows in this order; those that are equal stay as they were, unknown ones come last."""
    rows = tuple(rows)
    column = next((column for column in columns if column.name == sorting.column), None)
    if column is None:
        return tuple(reversed(rows)) if sorting.reverse else rows
    known = [row for row in rows if column.key(row) is not None]
    unknown = [row for row in rows if column.key(row) is None]
    falling = column.rising is sorting.reverse
    return (*sorted(known, key=column.key, reverse=falling), *unknown)


def head(columns: Sequence[Column[R]], sorting: Sorting) -> Line:
    """The columns' names; an arrow shows by which one rows are sorted."""
    pieces: list[Piece] = []
    for column in columns:
        name, style = column.name, "bold dim"
        if name == sorting.column:
            arrow = "▲" if column.rising is not sorting.reverse else "▼"
            name, style = f"{name}{arrow}", "bold"
        room = column.width + (_GAP if column.right and len(name) > column.width else 0)
        if room > column.width:  # the arrow stands in the gap before
            pieces[-1] = (pieces[-1][0][:-_GAP], pieces[-1][1])
        pieces.append((_placed(name, room, right=column.right) + " " * _GAP, style))
    return _to_the_edge(pieces)


def line(columns: Sequence[Column[R]], row: R, *, old: bool = False) -> Line:
    """A row; when it is `old`, what was measured does not look as if it were of now."""
    pieces: list[Piece] = []
    for column in columns:
        text = _placed(column.text(row), column.width, right=column.right) + " " * _GAP
        measured = column.right and column.name != "AGE"
        pieces.append((text, OLD if old and measured else column.style(row)))
    return _to_the_edge(pieces)


def graded(value: float | None, limits: tuple[float, float] | None) -> str:
    """The style of a value by where it becomes a warning, and critical."""
    if value is None:
        return "dim"
    if limits is None or value < limits[0]:
        return ""
    return "yellow" if value < limits[1] else "red"


def share(part: int | None, whole: int | None) -> str:
    return UNKNOWN if part is None else f"{part}/{whole}"


def _says_something(column: Column[R], rows: Sequence[R]) -> bool:
    if column.name == "WEIGHT":
        return any(column.key(row) is not None for row in rows)
    return column.name != "TREND" or any(column.text(row).strip() for row in rows)


def _with_names(column: Column[R], rows: Sequence[R]) -> Column[R]:
    if column.name not in ("NODE", "AGENT"):
        return column
    longest = max((cell_len(column.text(row)) for row in rows), default=0)
    return replace(column, width=min(_NAMES[1], max(_NAMES[0], longest)))


def _to_the_edge(pieces: list[Piece]) -> Line:
    """Without the gap behind the last column."""
    text, style = pieces[-1]
    return (*pieces[:-1], (text[:-_GAP], style))


def _needed(columns: Sequence[Column[R]]) -> int:
    return sum(column.width + _GAP for column in columns) - _GAP


def _placed(text: str, width: int, *, right: bool) -> str:
    """Text in exactly so many cells."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, max(0, width - 1)) + "…" if width else ""
    padding = " " * (width - length)
    return padding + text if right else text + padding
