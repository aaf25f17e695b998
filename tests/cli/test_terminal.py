"""On a real terminal."""

from __future__ import annotations

from tests.cli.demo_fleet import until
from tests.cli.pane import PHOENIXCTL, Pane


def test_watching_shows_the_verdict_and_every_row_and_ends_with_ctrl_c(pane: Pane) -> None:
    pane.type(f"{PHOENIXCTL} status --watch --interval 1")
    screen = until(lambda: (s := pane.shown()) and "Ctrl-C ends" in s and s)
    assert screen.splitlines()[0].startswith("phoenix-demo is ")
    for row in ("demo-1", "demo-2", "demo-3", "counter-0 ", "counter-1 ", "counter-2 "):
        assert row in screen
    pane.tmux("send-keys", "C-c")
    ended = until(lambda: (s := pane.shown()) and "code=" in s and s)
    assert "code=130" in ended
    assert "Traceback" not in ended


def test_a_drain_asks_and_a_no_changes_nothing(pane: Pane) -> None:
    pane.type(f"{PHOENIXCTL} nodes drain demo-1")
    until(lambda: "Carry it out?" in pane.shown())
    pane.tmux("send-keys", "n", "Enter")
    until(lambda: "code=" in pane.shown())
    [agent] = pane.fleet.ok("agents", "ls", "counter-0", "-o", "json").json["agents"]
    assert (agent["node"], agent["state"]) == ("demo-1", "running")
