"""What a renderer writes, to a pipe or to a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from phoenixctl.render.output import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(
    show: Callable[[Console], None],
    monkeypatch: pytest.MonkeyPatch,
    *,
    terminal: bool = False,
    columns: int = 80,
    color: bool | None = None,
) -> str:
    """The text that `show` writes through the console of this program."""
    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    show(console(color=color))
    return stream.getvalue()
