"""Ctrl-C while a plan is carried out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from phoenixctl.workflows.halt import Halt

# What ends a run from outside: a person, or cron, systemd and CI that want it to stop.
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FIRST: Final = "finishing what is under way; Ctrl-C again cuts it off (it is journaled)"
SECOND: Final = "cutting off; the next change finishes it"


@contextmanager
def interrupts(halt: Halt, say: Callable[[str], None]) -> Iterator[None]:
    """Within it, a signal asks `halt` instead of ending the process."""

    def asked() -> None:
        say(SECOND if halt.asked else FIRST)
        halt.ask()

    with signals(asked):
        yield


@contextmanager
def signals(asked: Callable[[], None]) -> Iterator[None]:
    """Within it, a signal that would end the process calls this instead."""
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        if before[number] is not signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
