"""The keys of the live view, driven without a terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from phoenixctl.cli.top.app import Top
from phoenixctl.cli.top.screens import Hands, keys_line
from phoenixctl.cli.top.terminal import colour
from phoenixctl.model.errors import ExitCode, Unreachable
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.render.top.columns import Sorting
from phoenixctl.render.top.view import TopView
from tests.builders import agent, seen, silent
from tests.unit.render.top_views import plain, view


@dataclass
class Desk:
    """The application with a fleet that a test changes, and what its keys have done."""

    seen: TopView
    words: str = ""
    paused: bool = False
    hurried: int = 0
    log: bytes | Unreachable = b"line 1\nline 2\n"
    asked: list[tuple[NodeName, AgentId]] = field(default_factory=list)
    app: Top = field(init=False)
    pilot: Pilot[ExitCode] = field(init=False)

    def __post_init__(self) -> None:
        hands = Hands(self._toggle, self._hurry, self._state, self._log, self._kept)
        self.app = Top(lambda: self.seen, hands, sorting=Sorting(), words=self.words)

    async def press(self, *keys: str) -> str:
        """Press these, and see what is on the screen then."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()
        return self.screen()

    async def sees(self, *nodes: object) -> str:
        """Another round has seen this."""
        self.seen = view(*nodes)  # type: ignore[arg-type]
        self.app.refresh_soon()
        await self.pilot.pause()
        return self.screen()

    async def resize(self, width: int, height: int) -> str:
        await self.pilot.resize_terminal(width, height)
        await self.pilot.pause()
        return self.screen()

    def screen(self) -> str:
        shown = [w for w in self.app.screen.children if w.display and w.size.height]
        return "\n".join(self._text(w) for w in sorted(shown, key=lambda w: w.region.y))

    def _text(self, widget: Widget) -> str:
        lines = (widget.render_line(y).text for y in range(widget.size.height))
        return "\n".join(line.rstrip() for line in lines)

    def _toggle(self) -> None:
        self.paused = not self.paused

    def _hurry(self) -> None:
        self.hurried += 1

    def _state(self) -> tuple[str, bool]:
        return "PAUSED" if self.paused else "every 2 s", self.paused

    async def _log(self, node: NodeName, agent: AgentId) -> bytes:
        self.asked.append((node, agent))
        if isinstance(self.log, Unreachable):
            raise self.log
        return self.log

    async def _kept(self, _node: NodeName) -> Mapping[Metric, Sequence[float]]:
        return {Metric.CPU: [0.0, 1.0]}


WEB = seen("web-1", agent("x-0", metrics={AgentMetric.RSS: 4096}), metrics={Metric.CPU: 0.9})
DB = seen("db-1", agent("y-0"), metrics={Metric.CPU: 0.5, Metric.MEMORY: 0.6})


@asynccontextmanager
async def desk(*nodes: object, words: str = "") -> AsyncIterator[Desk]:
    shown = Desk(view(*(nodes or (WEB, DB))), words)  # type: ignore[arg-type]
    async with shown.app.run_test(size=(100, 24)) as pilot:
        shown.pilot = pilot
        await pilot.pause()
        yield shown


def order(screen: str) -> list[str]:
    """The first words of the rows, in the order that they have on the screen."""
    words = [line.split()[0] for line in screen.splitlines() if line.split()]
    return [word for word in words if word[-2:-1] == "-"]


async def test_it_shows_the_verdict_then_nodes_with_the_worst_first_then_agents_and_keys() -> None:
    async with desk() as it:
        screen = it.screen()
        assert screen.splitlines()[0].startswith("test  DEGRADED   nodes 2/2  agents 0/0")
        assert order(screen) == ["web-1", "db-1", "x-0", "y-0"]
        last = screen.splitlines()[-1]
        for key in ("q quit", "⏎ open", "/ filter", "s sort", "r reverse", "p pause", "u update"):
            assert key in " ".join(last.split())


async def test_keys_sort_by_the_next_column_and_turn_the_order_round() -> None:
    async with desk() as it:
        assert order(await it.press("s"))[:2] == ["db-1", "web-1"]  # by name
        assert "NODE▲" in it.screen()
        assert order(await it.press("r"))[:2] == ["web-1", "db-1"]
        assert "NODE▼" in it.screen()
        await it.press("S")
        assert "▲" not in it.screen()
        assert order(it.screen())[:2] == ["web-1", "db-1"]


async def test_only_the_table_in_front_is_sorted() -> None:
    async with desk() as it:
        screen = await it.press("tab", "s", "r")
        assert "AGENT▼" in screen
        assert order(screen) == ["web-1", "db-1", "y-0", "x-0"]


async def test_a_filter_works_while_it_is_typed_and_escape_takes_it_away() -> None:
    async with desk() as it:
        assert order(await it.press("slash", "d", "b")) == ["db-1", "y-0"]
        screen = await it.press("enter")
        assert "only db" in screen.splitlines()[-1]
        assert order(screen) == ["db-1", "y-0"]
        assert "CPU at 90%" in screen  # the verdict is about all of them
        assert order(await it.press("escape")) == ["web-1", "db-1", "x-0", "y-0"]


async def test_a_filter_of_the_command_line_holds_from_the_beginning() -> None:
    async with desk(words="db") as it:
        assert order(it.screen()) == ["db-1", "y-0"]
        assert order(await it.press("escape")) == ["web-1", "db-1", "x-0", "y-0"]


async def test_q_in_a_filter_is_a_letter() -> None:
    async with desk() as it:
        await it.press("slash", "q", "enter")
        assert "nothing here" in it.screen()
        assert it.app.is_running


async def test_a_node_is_opened_with_its_agents_and_an_agent_of_it_and_back_again() -> None:
    async with desk() as it:
        screen = await it.press("down", "enter")
        assert screen.startswith("db-1  ok  pool main")
        assert "last hour" in screen
        assert order(screen)[-1] == "y-0"
        screen = await it.press("enter")
        assert screen.startswith("y-0  running  on db-1")
        assert "l shows the last lines" in screen
        assert (await it.press("escape")).startswith("db-1")
        assert (await it.press("escape")).startswith("test")


async def test_the_log_of_an_agent_is_read_when_it_is_asked_for() -> None:
    async with desk() as it:
        await it.press("tab", "enter")
        assert it.asked == []
        screen = await it.press("l")
        assert it.asked == [("web-1", "x-0")]
        assert "line 1\nline 2" in screen
        it.log = Unreachable("web-1 does not \x1b[2J answer")
        assert "web-1 does not \\x1b[2J answer" in await it.press("l")


async def test_new_values_are_drawn_and_the_chosen_row_stays_chosen() -> None:
    async with desk() as it:
        await it.press("down")
        hot = seen("db-1", agent("y-0"), metrics={Metric.CPU: 0.99})
        screen = await it.sees(WEB, hot)
        assert order(screen)[:2] == ["db-1", "web-1"]
        assert "99%" in screen
        assert (await it.press("enter")).startswith("db-1")
        screen = await it.sees(WEB, silent("db-1"))
        assert "db-1  unreachable" in screen


async def test_with_nobody_chosen_the_worst_one_is_the_first_to_open() -> None:
    async with desk() as it:
        hot = seen("db-1", agent("y-0"), metrics={Metric.CPU: 0.99})
        await it.sees(WEB, hot)
        assert (await it.press("enter")).startswith("db-1")


async def test_it_pauses_goes_on_and_asks_at_once() -> None:
    async with desk() as it:
        assert "PAUSED" in await it.press("p")
        assert "PAUSED" not in await it.press("p")
        await it.press("u", "f5")
        assert it.hurried == 2


async def test_more_rows_than_fit_are_scrolled() -> None:
    many = [seen(f"n-{number:02}", metrics={Metric.CPU: 0.1}) for number in range(50)]
    async with desk(*many) as it:
        assert "1-" in it.screen()
        assert "of 50" in it.screen()
        assert "n-49" not in it.screen()
        assert "n-49" in await it.press("end")
        assert "n-00" in await it.press("home")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (40, 12)])
async def test_it_is_drawn_anew_for_another_size(size: tuple[int, int]) -> None:
    async with desk() as it:
        screen = await it.resize(*size)
        lines = screen.splitlines()
        assert len(lines) <= size[1]
        assert max(map(len, lines)) <= size[0]
        assert order(screen)[0] == "web-1"


@pytest.mark.parametrize(("key", "code"), [("q", ExitCode.OK), ("ctrl+c", ExitCode.INTERRUPTED)])
async def test_it_is_left_from_every_page(key: str, code: ExitCode) -> None:
    for way in ([], ["enter"], ["enter", "enter"]):
        async with desk() as it:
            await it.press(*way, key)
            assert it.app.return_value is code


async def test_ctrl_c_leaves_also_while_a_filter_is_typed() -> None:
    async with desk() as it:
        await it.press("slash", "d", "ctrl+c")
        assert it.app.return_value is ExitCode.INTERRUPTED


def test_keys_that_find_no_room_are_left_out() -> None:
    keys = (("q", "quit"), ("s", "sort"))
    assert plain(keys_line(keys, "every 2 s", 40)).split() == ["q", "quit", "s", "sort", "every",
                                                               "2", "s"]  # fmt: skip
    assert plain(keys_line(keys, "every 2 s", 12)).split() == ["q", "quit"]
    assert plain(keys_line(keys, "PAUSED", 17, grave=True)).split() == ["q", "quit", "PAUSED"]


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [({}, True, {}), ({"NO_COLOR": ""}, True, {}), ({"NO_COLOR": "1"}, True, {"NO_COLOR": "1"}),
     ({}, False, {"NO_COLOR": "1"})],
)  # fmt: skip
def test_colour_is_a_matter_of_the_environment_and_of_the_option(
    before: dict[str, str], wanted: bool, after: dict[str, str]
) -> None:
    colour(before, wanted=wanted)
    assert before == after
