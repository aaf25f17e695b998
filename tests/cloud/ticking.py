"""Clocks for providers."""

from __future__ import annotations

import time


class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> str:
        return "2026-01-01T00:00:00Z"

    def epoch(self) -> float:
        return time.time()


class Clock(RealClock):
    """The real one, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    def epoch(self) -> float:
        return super().epoch() + self.ahead
