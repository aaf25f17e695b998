"""Moments for people and programs, always in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(at_seconds: float) -> str:
    """RFC 3339 with milliseconds: `2026-01-01T00:00:00.000Z`."""
    moment = datetime.fromtimestamp(at_seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
