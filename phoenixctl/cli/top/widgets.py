"""What is drawn: lines of pieces, and rows under columns of which one is chosen.

Only the lines that are seen are made: a fleet has thousands of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from phoenixctl.render.top.columns import WORST, Column, Sorting, fitting, head, line, ordered
from phoenixctl.render.top.rows import AgentRow, NodeRow
from phoenixctl.render.top.view import Line, Piece

R = TypeVar("R", NodeRow, AgentRow)


@lru_cache(maxsize=256)
def style_of(words: str) -> Style:
    return Style.parse(words)


def drawn(pieces: Iterable[Piece], width: int, *, chosen: bool = False) -> Strip:
    """A line in exactly `width` cells; the chosen one is a bar without other colours."""
    over = "reverse" if chosen else ""
    segments = [Segment(text, style_of(over or style)) for text, style in pieces]
    return Strip(segments).adjust_cell_length(width, style_of(over))


class Lines(Widget):
    """Lines that were made elsewhere; those that find no room can be scrolled to."""

    DEFAULT_CSS = "Lines { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_by(-1)", show=False),
        Binding("down,j", "scroll_by(1)", show=False),
        Binding("pageup", "scroll_pages(-1)", show=False),
        Binding("pagedown,space", "scroll_pages(1)", show=False),
    ]

    def __init__(self, *, name: str, scrolls: bool = False) -> None:
        super().__init__(id=name)
        self.can_focus = scrolls
        self._lines: Sequence[Line] = ()
        self._top = 0

    def show(self, lines: Sequence[Line], *, end: bool = False) -> None:
        """Draw these instead; `end`: the last ones of them."""
        self._lines = lines
        self._top = self._highest() if end else min(self._top, self._highest())
        self.refresh()

    def render_line(self, y: int) -> Strip:
        number = self._top + y
        pieces = self._lines[number] if number < len(self._lines) else ()
        return drawn(pieces, self.size.width)

    def action_scroll_by(self, lines: int) -> None:
        self._top = max(0, min(self._top + lines, self._highest()))
        self.refresh()

    def action_scroll_pages(self, pages: int) -> None:
        self.action_scroll_by(pages * max(1, self.size.height - 1))

    def _highest(self) -> int:
        return max(0, len(self._lines) - max(1, self.size.height))


class Rows(Widget, Generic[R]):
    """Rows under columns; the chosen one stays chosen when the order changes."""

    can_focus = True
    DEFAULT_CSS = "Rows { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move_pages(-1)", show=False),
        Binding("pagedown", "move_pages(1)", show=False),
        Binding("home,g", "move(-1000000)", show=False),
        Binding("end,G", "move(1000000)", show=False),
        Binding("enter", "open", show=False),
        Binding("s", "sort(1)", show=False),
        Binding("S", "sort(-1)", show=False),
        Binding("r", "reverse", show=False),
    ]

    class Opened(Message):
        """Somebody wants to see this row in full."""

        def __init__(self, row: NodeRow | AgentRow) -> None:
            super().__init__()
            self.row = row

    def __init__(self, columns: Sequence[Column[R]], *, name: str, sorting: Sorting) -> None:
        super().__init__(id=name)
        self._all: tuple[Column[R], ...] = tuple(columns)
        self._columns: tuple[Column[R], ...] = tuple(columns)
        self._rows: tuple[R, ...] = ()
        self._unsorted: tuple[R, ...] = ()
        self._chosen: object = None  # the row's name and node
        self._follows = False  # the row that somebody has chosen, else the first one is
        self._top = 0
        self.sorting = sorting

    def show(self, rows: tuple[R, ...]) -> None:
        self._unsorted = rows
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return drawn(self._head(), width)
        number = self._top + y - 1
        if number >= len(self._rows):
            return drawn(((" nothing here", "dim"),) if y == 1 else (), width)
        row = self._rows[number]
        here = self.has_focus and _identity(row) == self._chosen
        return drawn(line(self._columns, row, old=row.old), width, chosen=here)

    def action_move(self, lines: int) -> None:
        if self._rows:
            number = max(0, min(self._number() + lines, len(self._rows) - 1))
            self._chosen = _identity(self._rows[number])
            self._follows = number > 0
            self._into_view()
            self.refresh()

    def action_move_pages(self, pages: int) -> None:
        self.action_move(pages * max(1, self._room()))

    def action_open(self) -> None:
        if self._rows:
            self.post_message(self.Opened(self._rows[self._number()]))

    def action_sort(self, to: int) -> None:
        """The next column that is seen, or none: the worst first."""
        names = [WORST, *(column.name for column in self._columns)]
        at = names.index(self.sorting.column) if self.sorting.column in names else 0
        self.sorting = Sorting(names[(at + to) % len(names)])
        self._arrange(to_top=True)

    def action_reverse(self) -> None:
        self.sorting = Sorting(self.sorting.column, not self.sorting.reverse)
        self._arrange(to_top=True)

    def _head(self) -> Line:
        pieces: Line = head(self._columns, self.sorting)
        room = self._room()
        if len(self._rows) <= room:
            return pieces
        last = min(self._top + room, len(self._rows))
        where = f"{self._top + 1}-{last} of {len(self._rows)}"
        text, style = pieces[-1]
        return (*pieces[:-1], (f"{text[: -len(where)]}{where}", style))

    def _arrange(self, *, to_top: bool = False) -> None:
        self._columns = fitting(self._all, self._unsorted, self.size.width)
        self._rows = ordered(self._all, self._unsorted, self.sorting)
        if to_top or not self._follows or self._number(missing=-1) < 0:
            self._follows = False
            self._chosen = _identity(self._rows[0]) if self._rows else None
        self._into_view()
        self.refresh()

    def _number(self, *, missing: int = 0) -> int:
        found = (n for n, row in enumerate(self._rows) if _identity(row) == self._chosen)
        return next(found, missing)

    def _into_view(self) -> None:
        at, room = self._number(), self._room()
        self._top = min(self._top, at, max(0, len(self._rows) - room))
        self._top = max(self._top, at - room + 1)

    def _room(self) -> int:
        return max(1, self.size.height - 1)


def _identity(row: NodeRow | AgentRow) -> tuple[str, str]:
    return (row.name, row.node if isinstance(row, AgentRow) else "")
