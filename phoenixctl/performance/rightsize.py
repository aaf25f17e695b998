"""What an agent should ask for, from what it used.

Of CPU a high percentile of its use, for whoever wants more for a moment just waits; of memory its
peaks, for whoever gets no more is killed. The past counts less the older it is: half after a day,
and the margin is 15 %, both as of Kubernetes' vertical pod autoscaler. What an advice would have
been worth is told by following it: day by day, each advice judged on the day after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DAY_SECONDS: Final = 86_400.0
_HALF_LIVES: Final = 10.0  # what is older has less than a thousandth of the weight
_LEAST_VALUES: Final = 24  # an hour of one every 2.5 minutes; fewer say nothing of a peak


class Sizing(StrEnum):
    PERCENTILE = "percentile"  # of CPU
    PEAK = "peak"  # of memory: the percentile is one of the days' peaks


@dataclass(frozen=True, slots=True)
class Manner:
    """How an advice is made of a past use."""

    sizing: Sizing
    percentile: float = 95.0
    margin: float = 0.15
    half_life_seconds: float = DAY_SECONDS


CPU: Final = Manner(Sizing.PERCENTILE)
MEMORY: Final = Manner(Sizing.PEAK, percentile=98.0)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to ask for, in the unit of the values, and what speaks for it.

    `usual` is the percentile without the margin, `peak` the most that was used. `above` is the
    share of time in which more was used than the advice of the day before; None when there was no
    day before. `days` is how long was looked at.
    """

    request: float
    usual: float
    peak: float
    above: float | None
    days: float


def advise(times: Floats, used: Floats, manner: Manner, *, least: float = 0.0) -> Advice | None:
    """The advice for one request that several replicas share; None with less than 24 values.

    `times` has shape (times,), in seconds and rising; `used` shape (times, replicas), NaN where it
    is not known. The replica that needs most decides, as each of them gets the same.
    """
    known = used[:, np.count_nonzero(~np.isnan(used), axis=0) >= _LEAST_VALUES]
    if not known.size:
        return None
    usual = _usual(times, known, manner)
    return Advice(
        request=max(least, usual * (1 + manner.margin)),
        usual=usual,
        peak=float(np.nanmax(known)),
        above=_above(times, known, manner, least),
        days=float(times[-1] - times[0]) / DAY_SECONDS,
    )


def _usual(times: Floats, used: Floats, manner: Manner) -> float:
    return max(_of_one(times, column, manner) for column in used.T)


def _of_one(times: Floats, used: Floats, manner: Manner) -> float:
    known = ~np.isnan(used)
    at, values = times[known], used[known]
    if manner.sizing is Sizing.PEAK:
        at, values = _daily_peaks(at, values)
    weights = np.exp2((at - at[-1]) / manner.half_life_seconds)
    return weighted_percentile(values, weights, manner.percentile)


def weighted_percentile(values: Floats, weights: Floats, percentile: float) -> float:
    """The least of the values that this percentage of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    place = int(np.searchsorted(reached, percentile / 100 * reached[-1] * (1 - 1e-12)))
    return float(values[order][min(place, values.size - 1)])


def _daily_peaks(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """The most of each of the last days, counted backwards from the last value, and its time."""
    days = np.floor((times[-1] - times) / DAY_SECONDS).astype(np.int64)[::-1]
    starts = np.flatnonzero(np.diff(days, prepend=-1))
    return times[-1] - days[starts][::-1] * DAY_SECONDS, np.maximum.reduceat(values[::-1], starts)[
        ::-1
    ]


def followed(times: Floats, used: Floats, manner: Manner, *, least: float = 0.0) -> Floats:
    """What would have been asked for at each time, shape (times,), had each evening's advice been
    followed the day after; NaN on the first day, and after days that tell too little."""
    requests = np.full(times.size, np.nan)
    for end in np.arange(times[0] + DAY_SECONDS, times[-1], DAY_SECONDS):
        first = np.searchsorted(times, end - _HALF_LIVES * manner.half_life_seconds)
        now, later = np.searchsorted(times, [end, end + DAY_SECONDS])
        past = used[first:now]
        past = past[:, np.count_nonzero(~np.isnan(past), axis=0) >= _LEAST_VALUES]
        if past.size:
            usual = _usual(times[first:now], past, manner)
            requests[now:later] = max(least, usual * (1 + manner.margin))
    return requests


def _above(times: Floats, used: Floats, manner: Manner, least: float) -> float | None:
    """The share of the known values above what was advised at the end of the day before."""
    requests = followed(times, used, manner, least=least)
    judged = ~np.isnan(used) & ~np.isnan(requests)[:, None]
    if not judged.any():
        return None
    return float(np.mean((used > requests[:, None])[judged]))
