"""The live view on a real terminal, over an embedded fleet."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.store.local import LocalRecords
from tests.cli.demo_fleet import DemoFleet, processes, until
from tests.cli.pane import PHOENIXCTL, Pane

TOP = f"{PHOENIXCTL} top --interval 1s"
COLOUR = re.compile(r"\x1b\[[0-9;]*?[34][0-7][0-9;]*m")  # of a letter, or behind it


def seen(pane: Pane, *words: str) -> str:
    """The screen as soon as all of these are on it."""
    return str(until(lambda: (s := pane.shown()) and all(w in s for w in words) and s, seconds=40))


def rows(screen: str) -> list[str]:
    """The names in the first column, in their order."""
    words = (line.split()[0] for line in screen.splitlines() if line.split())
    return [word for word in words if word.startswith(("demo-", "counter-"))]


def test_it_is_watched_sorted_filtered_looked_into_and_left(pane: Pane) -> None:
    pane.type(TOP, columns=80, lines=24)
    screen = seen(pane, "nodes 3/3", "agents 3/3", "no change is under way", "q ", "update")
    assert screen.startswith("phoenix-demo ")
    everything = ["counter-0", "counter-1", "counter-2", "demo-1", "demo-2", "demo-3"]
    until(lambda: sorted(rows(pane.shown())) == everything)

    pane.press("s", "r")
    until(lambda: rows(seen(pane, "NODE▼"))[:3] == ["demo-3", "demo-2", "demo-1"])

    pane.press("/")
    seen(pane, "name, state, pool, label or reason")
    pane.press("demo-2", "Enter")
    until(lambda: rows(pane.shown()) == ["demo-2", "counter-1"])

    pane.press("Enter")
    until(lambda: seen(pane, "pool demo", "cpu utilization", "counter-1").startswith("demo-2 "))
    pane.press("Enter")
    until(lambda: seen(pane, "l shows the last lines").startswith("counter-1 "))
    pane.press("l")
    seen(pane, "counter-1 active on port")
    pane.press("Escape")
    until(lambda: pane.shown().startswith("demo-2 "))
    pane.press("Escape")
    until(lambda: pane.shown().startswith("phoenix-demo "))

    pane.press("q")
    ended = seen(pane, "code=")
    assert "code=0" in ended
    assert "counter-1" not in ended  # the screen is as it was
    assert as_it_was(pane)


def test_what_happens_to_the_fleet_is_seen(pane: Pane, fleet: DemoFleet) -> None:
    pane.type(f"{TOP} --filter o", columns=120, lines=40)
    seen(pane, "nodes 3/3", "no change is under way")

    async def change() -> None:
        records = LocalRecords(fleet.state, SystemClock(), "phoenix-demo")
        async with records.changing("nodes drain somewhere"):
            await asyncio.to_thread(seen, pane, "▶ nodes drain somewhere by ", ", since ")

    asyncio.run(change())
    seen(pane, "no change is under way", "agents 3/3")

    def ages() -> dict[str, float]:
        found = re.findall(r"^(demo-\d) .*? ([0-9.]+)s\b", pane.shown(), re.M)
        return {name: float(age) for name, age in found}

    silent = fleet.node_pid("demo-3")
    os.kill(silent, signal.SIGSTOP)
    try:  # the others go on
        until(lambda: ages().get("demo-3", 0) > 3 and ages().get("demo-1", 9) < 3)
    finally:
        os.kill(silent, signal.SIGCONT)
    until(lambda: ages().get("demo-3", 9) < 3)


@pytest.mark.parametrize("colour", [True, False])
def test_when_it_is_interrupted_the_terminal_is_as_it_was(pane: Pane, colour: bool) -> None:
    pane.type(TOP if colour else f"{TOP} --no-color")
    seen(pane, "nodes 3/3")
    assert bool(COLOUR.search(pane.shown(escapes=True))) is colour
    if colour:
        pane.press("C-c")
    else:
        # Beside it, another worker may play with a view of its own.
        own = processes(f"HOME={pane.fleet.root / 'operator'}\0", where="environ")
        [pid] = processes("\0top\0--interval\0") & own
        os.kill(pid, signal.SIGTERM)
    ended = seen(pane, "code=")
    assert "code=130" in ended
    assert "Traceback" not in ended
    assert as_it_was(pane)


def as_it_was(pane: Pane) -> bool:
    """Whether the terminal is on its usual screen, with a cursor."""
    return pane.tmux("display", "-p", "#{alternate_on} #{cursor_flag}").split() == ["0", "1"]


def test_without_a_terminal_it_says_what_to_type_instead(fleet: DemoFleet) -> None:
    done = fleet.run("top")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: top needs a terminal\n  try: phoenixctl status --watch\n"


def test_for_programs_it_is_one_moment(fleet: DemoFleet) -> None:
    document = fleet.ok("top", "-o", "json", "--sort", "node", "--filter", "demo-2").json
    assert document["schema"] == "phoenixctl.top/1"
    assert (document["nodes_answering"], document["agents_ready"]) == (3, 3)
    assert [row["name"] for row in document["nodes"]] == ["demo-2"]
    assert [row["name"] for row in document["agents"]] == ["counter-1"]
    assert document["changes"] == []
