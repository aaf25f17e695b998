"""Tables without lines: readable on a terminal, easy to cut by columns in a pipe.

Rich's own table measures every cell several times, 0.7 ms a row; a fleet has thousands of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Span, Text

from phoenixctl.render.neutral import one_line

Cell = str | Text

_GAP: Final = "  "
_NARROWEST_FOLD: Final = 20  # a last column with less room than this is not folded into it


def table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    right: frozenset[str] = frozenset(),
    drop: Sequence[str] = (),
) -> None:
    """Print rows under their columns; `right` names the columns of numbers.

    On a terminal that is too narrow, the columns in `drop` are left out, the first ones first.
    The last column is folded below itself.
    """
    cells = [[_safe(cell) for cell in row] for row in rows]
    widths = [
        max([cell_len(name), *(_width(row[index]) for row in cells)])
        for index, name in enumerate(columns)
    ]
    kept = _fitting(console, columns, widths, drop)
    room = _room(console, [widths[i] for i in kept[:-1]])
    page = _Page()
    head = [Text(columns[i], style="bold dim") for i in kept]
    before = [(widths[i], columns[i] in right) for i in kept[:-1]]
    for row in [head, *([row[i] for i in kept] for row in cells)]:
        _add_row(page, row[:-1], before, _folded(row[-1], room))
    console.print(page.text(), soft_wrap=True, end="")


def pairs(console: Console, rows: Sequence[tuple[str, Cell]]) -> None:
    """Print `name  value` lines, the names in one column."""
    width = max((cell_len(name) for name, _ in rows), default=0)
    room = _room(console, [width])
    page = _Page()
    for name, value in rows:
        label = Text(name, style="dim")
        _add_row(page, [label], [(width, False)], _folded(_safe(value), room))
    console.print(page.text(), soft_wrap=True, end="")


def styled(text: str, style: str) -> Text:
    """Text from anywhere, neutralised, in a style of ours."""
    return Text(one_line(text), style=style)


def _safe(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(one_line(cell))


def _width(cell: Text) -> int:
    return max((cell_len(line) for line in cell.plain.split("\n")), default=0)


def _fitting(
    console: Console, columns: Sequence[str], widths: Sequence[int], drop: Sequence[str]
) -> list[int]:
    """The columns that have room beside each other; the last one may be folded."""
    kept = list(range(len(columns)))
    for name in drop:
        needed = sum(widths[i] + len(_GAP) for i in kept[:-1]) + _NARROWEST_FOLD
        if not console.is_terminal or needed <= console.width:
            break
        kept = [i for i in kept if columns[i] != name]
    return kept


def _room(console: Console, before: Iterable[int]) -> int | None:
    """How wide the last column may be; None: as wide as it likes."""
    left = console.width - sum(width + len(_GAP) for width in before)
    return left if console.is_terminal and left >= _NARROWEST_FOLD else None


def _folded(cell: Text, room: int | None) -> list[Text]:
    lines = list(cell.split("\n", allow_blank=True))
    if room is None or all(cell_len(line.plain) <= room for line in lines):
        return lines
    folded = [Text(part, style=line.style) for line in lines for part in _wrapped(line.plain, room)]
    return folded or [Text()]


def _wrapped(line: str, room: int) -> list[str]:
    """Broken at spaces, and within words that are longer than a line."""
    parts = [""]
    for word in line.split(" "):
        joined = f"{parts[-1]} {word}" if parts[-1] else word
        if cell_len(joined) <= room:
            parts[-1] = joined
        else:
            parts += chop_cells(word, room)
    return [part for part in parts if part]


class _Page:
    """Lines that grow by cells. To join a Text for each cell would cost twice as much."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._spans: list[Span] = []
        self._length = 0
        self._blanks = 0  # to come before the next cell; no line ends in blanks

    def add(self, cell: Text) -> None:
        text = cell.plain.rstrip()
        if text:
            start = self._length + self._blanks
            end = start + len(text)
            styles = [Span(0, len(text), cell.style), *cell.spans] if cell.style else cell.spans
            self._spans += [Span(start + s.start, min(start + s.end, end), s.style) for s in styles]
            self._parts += (" " * self._blanks, text)
            self._length, self._blanks = end, 0
        self._blanks += len(cell.plain) - len(text)

    def add_blanks(self, count: int) -> None:
        self._blanks += count

    def end_line(self) -> None:
        self._parts.append("\n")
        self._length, self._blanks = self._length + 1, 0

    def text(self) -> Text:
        return Text("".join(self._parts), spans=self._spans)


def _add_row(
    page: _Page, cells: Sequence[Text], before: Sequence[tuple[int, bool]], last: Sequence[Text]
) -> None:
    """A row's lines; `before` has width and side (True: right) of all columns but the last."""
    for cell, (width, right) in zip(cells, before, strict=True):
        padding = width - cell_len(cell.plain)
        page.add_blanks(padding if right else 0)
        page.add(cell)
        page.add_blanks(len(_GAP) + (0 if right else padding))
    page.add(last[0])
    page.end_line()
    for line in last[1:]:
        page.add_blanks(sum(width + len(_GAP) for width, _ in before))
        page.add(line)
        page.end_line()
