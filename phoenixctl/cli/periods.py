"""Which time a question is about, as options: `--window day`, or `--from` and `--until`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from phoenixctl.model.errors import UsageError
from phoenixctl.model.units import parse_duration

if TYPE_CHECKING:
    from phoenixctl.metrics.windows import Window

_NAMED: Final = {"minute": 60.0, "hour": 3600.0, "day": 86_400.0}


@dataclass(frozen=True, slots=True)
class Period:
    """Options of whatever asks about the past."""

    window: Annotated[
        str, typer.Option("--window", "-w", metavar="TIME", help="minute, hour, day, or as 15m.")
    ] = "hour"
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="WHEN", help="Instead: since then; 2026-01-31T12:00Z, or 2h ago: 2h."
        ),
    ] = None
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="WHEN", help="The end, written likewise; by default now."),
    ] = None

    def at(self, now: float) -> Window:
        """UsageError for what is no time, or a window that ends before it begins."""
        from phoenixctl.metrics.windows import Window

        end = now if self.until is None else moment("--until", self.until, now)
        start = end - length(self.window)
        if self.start is not None:
            start = moment("--from", self.start, now)
        if start >= end:
            raise UsageError("the window is over before it begins", hint="see --from and --until")
        return Window(start, end)


def length(text: str) -> float:
    """The seconds of `--window`. UsageError for what is no time."""
    if text in _NAMED:
        return _NAMED[text]
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = 0.0
    if not seconds:
        raise UsageError(f"--window {text} is no time", hint="minute, hour, day, or as 15m")
    return seconds


def moment(option: str, text: str, now: float) -> float:
    """Seconds since 1970 of what an option says. UsageError for what is no moment."""
    try:
        return now - parse_duration(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text} is no moment", hint="write 2026-01-31T12:00Z, or 2h for two hours ago"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
