"""Durations in options: `30s`, `5m`."""

from __future__ import annotations

from phoenixctl.model.errors import UsageError
from phoenixctl.model.units import parse_duration


def seconds_of(option: str, text: str | None) -> float | None:
    """The seconds an option says; None when it was not given. UsageError names the option."""
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
