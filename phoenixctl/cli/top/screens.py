"""The screens of the live view: the fleet, one node, one agent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from phoenixctl.cli.top.widgets import Lines, Rows
from phoenixctl.model.errors import PhoenixError
from phoenixctl.render.neutral import one_line
from phoenixctl.render.top.columns import AGENT_COLUMNS, NODE_COLUMNS, Sorting
from phoenixctl.render.top.header import header
from phoenixctl.render.top.pages import agent_page, log_lines, node_page
from phoenixctl.render.top.rows import AgentRow, NodeRow, agent_rows, matching, node_rows
from phoenixctl.render.top.view import Line, Piece, TopView

if TYPE_CHECKING:
    from phoenixctl.model.names import AgentId, NodeName
    from phoenixctl.model.reading import Metric

_TALL: Final = 30  # from this height on there is room for a line more
LOG_LINES: Final = 200

Keys = tuple[tuple[str, str], ...]  # a key, and what it does


@dataclass(frozen=True, slots=True)
class Hands:
    """What the view does elsewhere. `state` says in a few words how it is going on, and whether
    that has to be seen."""

    toggle: Callable[[], None]  # pause, and go on
    hurry: Callable[[], None]
    state: Callable[[], tuple[str, bool]]
    log: Callable[[NodeName, AgentId], Awaitable[bytes]]
    kept: Callable[[NodeName], Awaitable[Mapping[Metric, Sequence[float]]]]


class Page(Screen[None]):
    """A screen that shows a view, with its keys in the last line."""

    KEYS: ClassVar[Keys] = ()
    DEFAULT_CSS = "Page > #keys { dock: bottom; height: 1; }"

    def __init__(self, hands: Hands) -> None:
        super().__init__()
        self.hands = hands
        self.seen: TopView | None = None
        self.keys = Lines(name="keys")

    def show(self, view: TopView) -> None:
        """Draw this instead of what was there."""
        self.seen = view
        if self.is_mounted and self.size.width:
            self.draw(view)
            self.show_keys()

    def draw(self, view: TopView) -> None:
        raise NotImplementedError

    def on_resize(self) -> None:
        if self.seen is not None:
            self.show(self.seen)
        self.show_keys()

    def show_keys(self) -> None:
        state, grave = self.hands.state()
        self.keys.show([keys_line(self.KEYS, state, self.size.width, grave=grave)])


def keys_line(keys: Keys, state: str, width: int, *, grave: bool = False) -> Line:
    """` q quit  / filter …`, and at the right how it is going on, where there is room; if that is
    `grave`, keys leave it some."""
    pieces: list[Piece] = []
    used, room = 0, width - len(state) - 1 if grave else width
    for key, what in keys:
        if used + len(key) + len(what) + 3 > room:
            break
        pieces += [(f" {key} ", "bold reverse"), (f"{what} ", "dim")]
        used += len(key) + len(what) + 3
    if used + len(state) < width:
        pieces.append((" " * (width - used - len(state)), ""))
        pieces.append((state, "bold yellow" if grave else "dim"))
    return tuple(pieces)


class FleetPage(Page):
    """The verdict, nodes with the worst first, agents below them."""

    KEYS: ClassVar[Keys] = (
        ("q", "quit"), ("⏎", "open"), ("/", "filter"), ("s", "sort"), ("r", "reverse"),
        ("⇥", "agents"), ("p", "pause"), ("u", "update"),
    )  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", show=False),
        Binding("escape", "unfilter", show=False),
    ]
    DEFAULT_CSS = """
    FleetPage > #head { margin-bottom: 1; }
    FleetPage > #agents { margin-top: 1; }
    FleetPage > #filter { dock: bottom; height: 1; border: none; padding: 0; display: none; }
    """

    def __init__(self, hands: Hands, *, sorting: Sorting, words: str) -> None:
        super().__init__(hands)
        self.words = words
        self.head = Lines(name="head")
        self.nodes: Rows[NodeRow] = Rows(NODE_COLUMNS, name="nodes", sorting=sorting)
        self.agents: Rows[AgentRow] = Rows(AGENT_COLUMNS, name="agents", sorting=Sorting())
        self.filter = Input(words, placeholder="name, state, pool, label or reason", id="filter")

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.nodes
        yield self.agents
        yield self.filter
        yield self.keys

    def on_mount(self) -> None:
        self.nodes.focus()

    def draw(self, view: TopView) -> None:
        lines = header(view, self.size.width, tall=self.size.height >= _TALL)
        nodes = matching(node_rows(view), self.words)
        agents = matching(agent_rows(view), self.words)
        room = self.size.height - len(lines) - 3  # two gaps, and the keys
        high = _shared(room, len(nodes) + 1, len(agents) + 1)
        _set_height(self.head, len(lines))
        _set_height(self.nodes, high)
        self.head.show(lines)
        self.nodes.show(nodes)
        self.agents.show(agents)

    def show_keys(self) -> None:
        state, grave = self.hands.state()
        if self.words:
            only = f"only {one_line(self.words)}"
            state, grave = f"{only}, {state}" if grave else only, True
        self.keys.show([keys_line(self.KEYS, state, self.size.width, grave=grave)])

    def action_filter(self) -> None:
        self.filter.display = True
        self.keys.display = False
        self.filter.focus()

    def action_unfilter(self) -> None:
        self.filter.value = ""
        self._filtered()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.words = event.value
        if self.seen is not None:
            self.show(self.seen)

    def on_input_submitted(self) -> None:
        self._filtered()

    def _filtered(self) -> None:
        self.filter.display = False
        self.keys.display = True
        self.nodes.focus()


class NodePage(Page):
    """One node, with its agents."""

    KEYS: ClassVar[Keys] = (
        ("esc", "back"), ("⏎", "open agent"), ("s", "sort"), ("r", "reverse"), ("⇥", "values"),
        ("p", "pause"), ("u", "update"), ("q", "quit"),
    )  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,backspace,left", "app.pop_screen")]
    DEFAULT_CSS = "NodePage > #agents { margin-top: 1; }"

    def __init__(self, hands: Hands, node: NodeName) -> None:
        super().__init__(hands)
        self.node = node
        self.kept: Mapping[Metric, Sequence[float]] = {}
        self.facts = Lines(name="facts", scrolls=True)
        self.agents: Rows[AgentRow] = Rows(AGENT_COLUMNS, name="agents", sorting=Sorting())

    def compose(self) -> ComposeResult:
        yield self.facts
        yield self.agents
        yield self.keys

    def on_mount(self) -> None:
        self.agents.focus()
        self.run_worker(self._recall())

    def draw(self, view: TopView) -> None:
        lines = node_page(view, self.node, self.size.width, self.kept)
        agents = agent_rows(view, self.node)
        _set_height(self.facts, _shared(self.size.height - 2, len(lines), len(agents) + 1))
        self.facts.show(lines)
        self.agents.show(agents)

    async def _recall(self) -> None:
        self.kept = await self.hands.kept(self.node)
        if self.seen is not None:
            self.show(self.seen)


class AgentPage(Page):
    """One agent, with the last lines of its log when they are asked for."""

    KEYS: ClassVar[Keys] = (
        ("esc", "back"), ("l", "log"), ("↑↓", "scroll"), ("p", "pause"), ("u", "update"),
        ("q", "quit"),
    )  # fmt: skip
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,left", "app.pop_screen"),
        Binding("l", "log"),
    ]
    DEFAULT_CSS = "AgentPage > #log { margin-top: 1; }"

    def __init__(self, hands: Hands, agent: AgentId, node: NodeName) -> None:
        super().__init__(hands)
        self.agent, self.node = agent, node
        self.facts = Lines(name="facts", scrolls=True)
        self.log_lines = Lines(name="log", scrolls=True)

    def compose(self) -> ComposeResult:
        yield self.facts
        yield self.log_lines
        yield self.keys

    def on_mount(self) -> None:
        self.log_lines.show([(("l shows the last lines of its log", "dim"),)])
        self.log_lines.focus()

    def draw(self, view: TopView) -> None:
        lines = agent_page(view, self.agent, self.node, self.size.width)
        _set_height(self.facts, _shared(self.size.height - 2, len(lines), 3))
        self.facts.show(lines)

    def action_log(self) -> None:
        self.log_lines.show([(("reading its log", "dim"),)])
        self.run_worker(self._read(), exclusive=True)

    async def _read(self) -> None:
        try:
            lines = log_lines(await self.hands.log(self.node, self.agent))
        except PhoenixError as error:
            lines = (((one_line(str(error)), "red"),),)
        self.log_lines.show(lines or [(("it has written nothing", "dim"),)], end=True)


def _shared(room: int, first: int, second: int) -> int:
    """Of the lines there are, those of the first part: what it needs if both have room, else what
    the second one leaves, three fifths at least."""
    if first + second <= room:
        return first
    return min(first, max(room * 3 // 5, room - second))


def _set_height(widget: Lines | Rows[NodeRow] | Rows[AgentRow], lines: int) -> None:
    height = widget.styles.height
    if height is None or height.value != lines or height.is_fraction:
        widget.styles.height = lines
