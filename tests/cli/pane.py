"""A real terminal: a pane of tmux that a command runs in."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.cli.demo_fleet import DemoFleet
from tests.needs import program

_NUMBERS = itertools.count()
PHOENIXCTL = f"{sys.executable} -m phoenixctl"


@dataclass(frozen=True, slots=True)
class Pane:
    """A tmux server of its own, with one pane that a command runs in."""

    socket: str
    fleet: DemoFleet

    def tmux(self, *words: str, **environ: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.socket, "-f", "/dev/null", *words],
            capture_output=True, text=True, check=True, timeout=20,
            env=self.fleet.environment(TERM="xterm-256color", **environ),
        )  # fmt: skip
        return done.stdout

    def type(self, command: str, *, columns: int = 100, lines: int = 30, **environ: str) -> None:
        """Run it in a new session; its exit code is shown behind `code=`."""
        line = f"{command}; echo code=$?; exec sleep 60"
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(lines), line, **environ)

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def shown(self, *, escapes: bool = False) -> str:
        return self.tmux("capture-pane", "-p", *(["-e"] if escapes else []))


@contextmanager
def a_pane(fleet: DemoFleet) -> Iterator[Pane]:
    program("tmux")
    # A server that is about to end takes no new session: each has its own name.
    pane = Pane(f"phoenixctl-test-{os.getpid()}-{next(_NUMBERS)}", fleet)
    try:
        yield pane
    finally:
        subprocess.run(["tmux", "-L", pane.socket, "kill-server"], capture_output=True, check=False)
