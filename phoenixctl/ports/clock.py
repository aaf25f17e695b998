"""Time comes from outside."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that only grow; ages and deadlines are measured with it."""
        ...

    def utc(self) -> str:
        """Now as RFC 3339 in UTC, for people and records."""
        ...

    def epoch(self) -> float:
        """Seconds since 1970, for records that are compared between runs."""
        ...
