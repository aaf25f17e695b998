"""Ctrl-C: asked once, nothing new begins; asked again, what is under way is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Halt:
    """Somebody's wish that a run ends. `ask` is called in the loop's thread, e.g. by its handler
    of SIGINT."""

    def __init__(self) -> None:
        self._times = 0
        self._cancelled: list[tuple[asyncio.Task[object], int]] = []

    def ask(self) -> None:
        self._times += 1
        for task, at in list(self._cancelled):
            if at == self._times:
                task.cancel()

    @property
    def asked(self) -> bool:
        return self._times > 0

    @asynccontextmanager
    async def cancels(self, *, at: int) -> AsyncIterator[None]:
        """Within it, being asked for the `at`-th time cancels the current task, which then goes on
        behind it. A task that somebody else cancels is cancelled as always."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be cancelled")
        entry = (task, at)
        self._cancelled.append(entry)
        if self._times >= at:
            task.cancel()
        try:
            yield
            if self._times >= at:
                await asyncio.sleep(0)  # asked at the very end: it comes here and not later
        except asyncio.CancelledError:
            if self._times < at or task.uncancel() > 0:
                raise
        finally:
            self._cancelled.remove(entry)
