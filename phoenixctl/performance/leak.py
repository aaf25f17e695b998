"""Memory that only ever grows: which agents leak, how surely, and when nothing is left.

A cache that fills and a day's load grow too. So the growth is looked for in the lower edge of what
is in use: the least of each stretch, which is what stays when requests are done. It must rise for
sure over the whole window, and still in its latter half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from phoenixctl.metrics.trend import SURE, Floats, trend

_STRETCHES: Final = 24  # of a window; the least of each is looked at
_LEAST_GROWTH: Final = 0.05  # of what was in use at first: less in a window hurts nobody


@dataclass(frozen=True, slots=True)
class Leak:
    """`per_second` in the unit of the values, and how sure it is that they rise, 0 to 1.

    `exhausted_in_seconds` from the last value on until `limit` is reached; None without a limit.
    """

    per_second: float
    confidence: float
    latest: float
    exhausted_in_seconds: float | None


def leak(times: Floats, used: Floats, *, limit: float | None = None) -> Leak | None:
    """Whether one agent's memory leaks; both of shape (times,), NaN is unknown. None: not surely.

    A restart begins anew, as everything is given back then: values before the last fall to less
    than half are left out.
    """
    known = ~np.isnan(used)
    at, values = _since_restart(times[known], used[known].astype(np.float64))
    lower_at, lower = _lower_edge(at, values)
    if lower.size < _STRETCHES // 2:
        return None
    whole, latter = trend(lower_at, lower), trend(*_latter(lower_at, lower))
    if whole is None or latter is None:
        return None
    grown = whole.slope * float(lower_at[-1] - lower_at[0])
    surely = whole.confidence >= SURE and min(whole.slope, latter.slope) > 0
    # What has slowed to a quarter is coming to an end.
    if not surely or grown < _LEAST_GROWTH * lower[0] or latter.slope < whole.slope / 4:
        return None
    latest = float(lower[-1])
    left = None if limit is None else max(0.0, (limit - float(values[-1])) / latter.slope)
    return Leak(latter.slope, whole.confidence, latest, left)


def _since_restart(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    falls = np.flatnonzero(values[1:] < values[:-1] / 2)
    first = int(falls[-1]) + 1 if falls.size else 0
    return times[first:], values[first:]


def _lower_edge(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The least value of each stretch, and when it was."""
    if values.size < _STRETCHES:
        return times, values
    starts = np.linspace(0, values.size, _STRETCHES, endpoint=False).astype(np.int64)
    ends = np.append(starts[1:], values.size)
    places = np.array(
        [start + int(np.argmin(values[start:end])) for start, end in zip(starts, ends, strict=True)]
    )
    return times[places], values[places]


def _latter(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    half = values.size // 2
    return times[half:], values[half:]
