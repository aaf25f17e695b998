"""The application: which screen is on top, the keys that all have, and the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from phoenixctl.cli.top.screens import AgentPage, FleetPage, Hands, NodePage, Page
from phoenixctl.cli.top.widgets import Rows
from phoenixctl.model.errors import ExitCode
from phoenixctl.render.top.columns import Sorting
from phoenixctl.render.top.rows import NodeRow
from phoenixctl.render.top.view import TopView


class Top(App[ExitCode]):
    """Draws the view that `look` gives, whenever `refresh_soon` is called."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave"),
        Binding("ctrl+c", "interrupt", priority=True),
        Binding("ctrl+z", "suspend_process", priority=True),
        Binding("p", "pause"),
        Binding("u,f5", "update"),
    ]

    def __init__(
        self, look: Callable[[], TopView], hands: Hands, *, sorting: Sorting, words: str = ""
    ) -> None:
        super().__init__(ansi_color=True)  # the terminal's own colours
        self.animation_level = "none"
        self._look = look
        self._hands = hands
        self._sorting, self._words = sorting, words
        self._seen: TopView | None = None

    @property
    def defect(self) -> Exception | None:
        """What has ended the view, which is then raised as anywhere else."""
        return self._exception

    def on_mount(self) -> None:
        self.theme = "ansi-dark"
        self.push_screen(FleetPage(self._hands, sorting=self._sorting, words=self._words))
        self.call_later(self.draw)

    def refresh_soon(self) -> None:
        """There is something new to see."""
        if self.is_running:
            self.call_later(self.draw)

    def draw(self) -> None:
        """Only what is on top; the others are drawn when they come back."""
        if isinstance(self.screen, Page):
            self._seen = self._look()
            self.screen.show(self._seen)

    def on_rows_opened(self, event: Rows.Opened) -> None:
        row = event.row
        if isinstance(row, NodeRow):
            self._open(NodePage(self._hands, row.name))
        else:
            self._open(AgentPage(self._hands, row.name, row.node))

    def action_leave(self) -> None:
        self.exit(ExitCode.OK)

    def action_interrupt(self) -> None:
        self.exit(ExitCode.INTERRUPTED)

    def action_pause(self) -> None:
        self._hands.toggle()
        self.draw()

    def action_update(self) -> None:
        self._hands.hurry()

    async def action_pop_screen(self) -> None:
        await super().action_pop_screen()
        self.call_later(self.draw)

    def _fatal_error(self) -> None:
        """Only leave: Textual would write the values of all variables, and some are secret."""
        self._close_messages_no_wait()

    def _open(self, page: Page) -> None:
        page.seen = self._seen  # no empty screen, until there is news
        self.push_screen(page)
        self.call_later(self.draw)
