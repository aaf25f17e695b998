"""Values over time in signs of one line, or of a few lines with axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

_BARS: Final = "▁▂▃▄▅▆▇█"
_UNKNOWN: Final = " "
# Of a braille sign, the dots of its left and right column, the lowest first.
_DOTS: Final = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
_ROWS: Final = len(_DOTS[0])


def resampled(
    times: Sequence[float], values: Sequence[float], *, start: float, until: float, count: int
) -> list[float]:
    """Means of the known values in `count` equal parts of the window; NaN where there is none."""
    totals, known = [0.0] * count, [0] * count
    for at, value in zip(times, values, strict=True):
        if start <= at < until and not math.isnan(value):
            part = min(count - 1, int((at - start) / (until - start) * count))
            totals[part] += value
            known[part] += 1
    return [total / n if n else math.nan for total, n in zip(totals, known, strict=True)]


def sparkline(values: Sequence[float]) -> str:
    """One sign for each value, from the lowest to the highest; a blank where it is unknown."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return "".join(_bar(value, low, high) for value in values)


def plot(
    values: Sequence[float], *, width: int, height: int, label: Callable[[float], str]
) -> list[str]:
    """Lines of braille dots under an axis of values; `values` are equally far apart in time.

    Two dots stand beside each other in a sign: `2 * width` values fill a line.
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return []
    low, high = min(known), max(known)
    span = high - low or abs(high) or 1.0
    low = high - span if high == low else low
    cells = [[0] * width for _ in range(height)]
    for number, value in enumerate(values[: 2 * width]):
        if math.isfinite(value):
            dot = round((value - low) / span * (_ROWS * height - 1))
            row = cells[height - 1 - dot // _ROWS]
            row[number // 2] |= _DOTS[number % 2][dot % _ROWS]
    labels = {0: label(high), height - 1: label(low)}
    if height > 2:
        labels[height // 2] = label(high - span * (height // 2) / (height - 1))
    margin = max(map(len, labels.values()))
    return [
        f"{labels.get(number, ''):>{margin}} ┤{''.join(chr(0x2800 + cell) for cell in row)}"
        for number, row in enumerate(cells)
    ]


def _bar(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return _UNKNOWN
    if high == low:
        return _BARS[0]
    return _BARS[min(len(_BARS) - 1, int((value - low) / (high - low) * len(_BARS)))]
