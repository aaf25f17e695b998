"""A graph of a load in text: what was acknowledged, one character for each interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_NONE: Final = "."
_HEIGHTS: Final = "▁▂▃▄▅▆▇█"
_WIDTH: Final = 60


def graph(acknowledged: Sequence[int], every_seconds: float) -> tuple[str, ...]:
    """Lines with their begin in seconds; the last one tells what the highest mark stands for.

    What is usual is half as high as can be: after a pause, all that waited comes at once.
    """
    some = sorted(count for count in acknowledged if count)
    top = min(some[-1], 2 * some[len(some) // 2]) if some else 0
    marks = "".join(_mark(count, top) for count in acknowledged)
    lines = [
        f"{begin * every_seconds:6.1f}s {marks[begin : begin + _WIDTH]}"
        for begin in range(0, len(marks), _WIDTH)
    ]
    more = " or more" if some and some[-1] > top else ""
    return (*lines, f"        {_HEIGHTS[-1]} = {top}{more} in {every_seconds:g}s, {_NONE} = 0")


def _mark(count: int, top: int) -> str:
    return _HEIGHTS[(min(count, top) * len(_HEIGHTS) - 1) // top] if count else _NONE
