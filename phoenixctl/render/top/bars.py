"""A course of values in signs of one line, over a scale that begins at nought."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

_BARS: Final = "▁▂▃▄▅▆▇█"


def bars(values: Iterable[float], width: int, *, full: float | None = None) -> str:
    """A sign for each of the last `width` values, a blank where it is unknown.

    `full` is the value of the highest bar, by default the highest value of them.
    """
    shown = tuple(values)[-width:] if width else ()
    known = [value for value in shown if math.isfinite(value)]
    high = max(known, default=0.0) if full is None else full
    return "".join(_bar(value, high) for value in shown)


def _bar(value: float, high: float) -> str:
    if not math.isfinite(value):
        return " "
    if high <= 0:
        return _BARS[0]
    return _BARS[min(len(_BARS) - 1, max(0, int(value / high * len(_BARS))))]
