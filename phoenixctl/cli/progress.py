"""Progress on stderr: one line that is rewritten on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

from phoenixctl.render.neutral import one_line

QUIET_SECONDS: Final = 1.0  # work that is over sooner shows nothing in a log
EVERY_SECONDS: Final = 5.0


class Progress:
    """Counts what is done of `total`: `asking nodes: 12 of 200, 1 failed`.

    On a terminal it also names the work that has been under way for the longest time.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._failed = 0
        self._under_way: dict[str, float] = {}
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic() + (QUIET_SECONDS - EVERY_SECONDS)

    def __enter__(self) -> Self:
        self._show()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clear()

    def begin(self, name: str) -> None:
        """This is under way now."""
        self._under_way[name] = time.monotonic()
        self._show()

    def step(self, name: str = "", *, failed: bool = False) -> None:
        """One more is done."""
        self._under_way.pop(name, None)
        self._done += 1
        self._failed += failed
        self._show()

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Within it, what is shown is renewed every second, also while nothing ends."""

        async def tick() -> None:
            while True:
                await asyncio.sleep(1.0)
                self._show()

        ticking = asyncio.create_task(tick())
        try:
            yield
        finally:
            ticking.cancel()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        sys.stderr.write(f"{one_line(text, strip=False)}\n")
        self._show()

    def _show(self) -> None:
        text = f"{self._what}: {self._done} of {self._total}"
        text += f", {self._failed} failed" if self._failed else ""
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{(text + self._longest())[:width]}")
            sys.stderr.flush()
        elif time.monotonic() - self._last > EVERY_SECONDS:
            self._last = time.monotonic()
            sys.stderr.write(f"{text}\n")

    def _longest(self) -> str:
        if not self._under_way:
            return ""
        name, since = next(iter(self._under_way.items()))
        more = f" and {len(self._under_way) - 1} more" if len(self._under_way) > 1 else ""
        return f"; now: {one_line(name)} ({time.monotonic() - since:.0f} s){more}"

    def _clear(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
