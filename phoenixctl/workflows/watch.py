"""Keep the pulse of nodes: one long-lived stream for each, one batch for each tick."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from phoenixctl.metrics.gathered import UP
from phoenixctl.metrics.series import Batch
from phoenixctl.model.errors import CommandFailed, ExitCode, PhoenixError
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Succeeded
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.metrics import MetricStore
from phoenixctl.ports.reach import Reach, Session
from phoenixctl.remote.pulse import METRICS, Pulse, between, parse_pulse, pulse_command

_FORGET_EVERY_SECONDS: Final = 60.0
_PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 30.0)  # before a node that was lost is tried again
_SILENT_AFTER: Final = 3.0  # intervals, and seconds at least
_LONGEST_LINE: Final = 4096

_UNKNOWN: Final = (math.nan,) * len(METRICS)


@dataclass(frozen=True, slots=True)
class Tick:
    """What was kept at one moment: `fresh` nodes gave new values, `missing` ones are silent."""

    at_seconds: float
    nodes: int
    fresh: int
    missing: tuple[NodeName, ...]


@dataclass
class _Watched:
    """What is known of a node's stream."""

    last: Pulse | None = None
    values: tuple[float, ...] | None = None  # that are not kept yet
    heard_at: float = -math.inf
    rest: bytes = b""
    lost: bool = False

    def take(self, data: bytes, now: float) -> None:
        *lines, self.rest = (self.rest + data).split(b"\n")
        self.rest = self.rest[:_LONGEST_LINE]
        for line in lines:
            pulse = parse_pulse(line)
            if pulse is None:
                continue
            if self.last is not None:
                self.values = between(self.last, pulse)
            self.last, self.heard_at = pulse, now

    def up(self, now: float, allowed: float) -> float:
        """1 when it was heard lately, 0 when not; NaN before the first attempt is over."""
        if self.heard_at == -math.inf:
            return 0.0 if self.lost else math.nan
        return float(now - self.heard_at <= allowed)


OnChange = Callable[[NodeName, PhoenixError | None], None]
"""A node was lost, and why; or (None) it is there again."""


class Watch:
    """Streams of nodes, and the ticks that come of them."""

    def __init__(
        self,
        reach: Reach,
        clock: Clock,
        nodes: Sequence[NodeName],
        *,
        interval_seconds: float,
        on_change: OnChange,
    ) -> None:
        self._reach = reach
        self._clock = clock
        self._interval = interval_seconds
        self._on_change = on_change
        self._watched = {name: _Watched() for name in nodes}

    async def run(
        self, store: MetricStore, on_tick: Callable[[Tick], None], *, seconds: float | None = None
    ) -> None:
        """Keep a batch at each interval, for so long or until it is cancelled."""
        begun = self._clock.monotonic()
        forgot = begun
        following = [asyncio.ensure_future(self._follow(name)) for name in self._watched]
        try:
            due = begun
            while seconds is None or due - begun + self._interval <= seconds + 1e-9:
                due = max(due + self._interval, self._clock.monotonic())
                await asyncio.sleep(due - self._clock.monotonic())
                tick, batch = self._tick()
                store.write(batch)
                on_tick(tick)
                if due - forgot >= _FORGET_EVERY_SECONDS:
                    store.forget(now=tick.at_seconds)
                    forgot = due
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
        store.forget(now=self._clock.epoch())

    def _tick(self) -> tuple[Tick, Batch]:
        """Take what came since the last one."""
        now, at = self._clock.monotonic(), self._clock.epoch()
        allowed = max(_SILENT_AFTER * self._interval, _SILENT_AFTER)
        up = [one.up(now, allowed) for one in self._watched.values()]
        rows = []
        fresh = 0
        for one in self._watched.values():
            fresh += one.values is not None
            rows.append(one.values or _UNKNOWN)
            one.values = None
        columns = np.array(rows, np.float64).T
        silent = (n for n, there in zip(self._watched, up, strict=True) if there == 0)
        batch = Batch(
            at,
            tuple(self._watched),
            {
                UP: np.array(up),
                **{metric.value: columns[row] for row, metric in enumerate(METRICS)},
            },
        )
        return Tick(at, len(self._watched), fresh, tuple(sorted(silent))), batch

    async def _follow(self, name: NodeName) -> None:
        """One stream after the other. A login that was refused is not tried again."""
        one = self._watched[name]
        tries = 0
        while True:
            before = one.heard_at
            error = await self._stream(name, one)
            if not one.lost:
                self._on_change(name, error)
            one.last, one.rest, one.lost = None, b"", True
            if error.exit_code is ExitCode.AUTHENTICATION:
                return
            tries = 0 if one.heard_at > before else tries + 1
            await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])

    async def _stream(self, name: NodeName, one: _Watched) -> PhoenixError:
        """Why it ended."""

        async def job(session: Session) -> None:
            command = pulse_command(self._interval)
            async with session.stream(command, sudo=False) as chunks:
                async for chunk in chunks:
                    if chunk.stream != "stdout":
                        continue
                    one.take(chunk.data, self._clock.monotonic())
                    if one.lost and one.last is not None:
                        one.lost = False
                        self._on_change(name, None)

        outcome = (await self._reach.each([name], job))[name]
        if isinstance(outcome, Succeeded):
            return CommandFailed(f"{name}: its pulse has ended")
        return outcome.error
