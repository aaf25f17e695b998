"""A graph of a load in text: what was acknowledged, one character for each interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_NONE: Final = "."
_HEIGHTS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 60


def graph(acknowledged: Sequence[int], every_seconds: float) -> tuple[str, ...]:
    """Lines with their begin in seconds; the highest mark is the most in one interval, which the
    last line tells."""
    most = max(acknowledged, default=0)
    marks = "".join(_mark(count, most) for count in acknowledged)
    lines = [
        f"{begin * every_seconds:6.1f}s {marks[begin : begin + _WIDTH]}"
        for begin in range(0, len(marks), _WIDTH)
    ]
    return (*lines, f"        {_HEIGHTS[-1]} = {most} in {every_seconds:g}s, {_NONE} = 0")


def _mark(count: int, most: int) -> str:
    return _HEIGHTS[(count * len(_HEIGHTS) - 1) // most] if count else _NONE
