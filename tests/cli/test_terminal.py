"""On a real terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cli.demo_fleet import DemoFleet, until
from tests.needs import program


@dataclass(frozen=True, slots=True)
class Pane:
    """A tmux server of its own, with one pane that a command runs in."""

    socket: str
    fleet: DemoFleet

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.socket, "-f", "/dev/null", *words],
            capture_output=True, text=True, check=True, timeout=20,
            env=self.fleet.environment(TERM="xterm-256color"),
        )  # fmt: skip
        return done.stdout

    def type(self, command: str, *, columns: int = 100) -> None:
        line = f"{command}; echo code=$?; exec sleep 60"
        self.tmux("new-session", "-d", "-x", str(columns), "-y", "30", line)

    def shown(self) -> str:
        return self.tmux("capture-pane", "-p")


@pytest.fixture
def pane(fleet: DemoFleet) -> Iterator[Pane]:
    program("tmux")
    pane = Pane(f"phoenixctl-test-{os.getpid()}", fleet)
    yield pane
    subprocess.run(["tmux", "-L", pane.socket, "kill-server"], capture_output=True, check=False)


PHOENIXCTL = f"{sys.executable} -m phoenixctl"


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
