"""Where a series is going: a robust slope and how sure its direction is.

Theil and Sen's slope is the median of the slopes between all pairs of values, so that up to 29 % of
outliers do not move it. Mann and Kendall's test counts how many pairs rise; its variance is widened
for values that resemble their predecessors, as loads do (Matalas and Sankarasubramanian 2003):
without that a random walk nearly always has a trend.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import erf, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_VALUES: Final = 240  # of more, neighbours are averaged: all pairs of them are 29,000
_LEAST_VALUES: Final = 4  # fewer have no order that chance would not give in one of ten
SURE: Final = 0.95


class Direction(StrEnum):
    RISING = "rising"
    FALLING = "falling"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Trend:
    """`slope` per second; `confidence` from 0 to 1 that its sign is right, unless it is chance."""

    slope: float
    confidence: float

    @property
    def direction(self) -> Direction:
        """NONE when the confidence is below 95 %."""
        if self.confidence < SURE or self.slope == 0:
            return Direction.NONE
        return Direction.RISING if self.slope > 0 else Direction.FALLING


def trend(times: Floats, values: NDArray[np.floating]) -> Trend | None:
    """The trend of one subject, both of shape (times,); None with fewer than 4 known values."""
    known = ~np.isnan(values)
    at, value = _thinned(times[known], values[known].astype(np.float64))
    if at.size < _LEAST_VALUES:
        return None
    earlier, later = np.triu_indices(at.size, 1)
    slope = float(np.median((value[later] - value[earlier]) / (at[later] - at[earlier])))
    rising = float(np.sign(value[later] - value[earlier]).sum())
    deviation = sqrt(_variance(value) * _widening(value - slope * at))
    score = max(abs(rising) - 1, 0) / deviation if deviation else 0.0
    return Trend(slope, erf(score / sqrt(2)))


def _thinned(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    together = -(-times.size // _MOST_VALUES)
    if together <= 1:
        return times, values
    starts = np.arange(0, times.size, together)
    sizes = np.diff(np.append(starts, times.size))
    return np.add.reduceat(times, starts) / sizes, np.add.reduceat(values, starts) / sizes


def _variance(values: Floats) -> float:
    """Of the number of rising less falling pairs, if their order is chance (Kendall 1975)."""
    ties = np.unique(values, return_counts=True)[1].astype(np.float64)
    count = float(values.size)
    return (_term(np.array([count])) - _term(ties)) / 18


def _term(count: Floats) -> float:
    return float((count * (count - 1) * (2 * count + 5)).sum())


def _widening(residuals: Floats) -> float:
    """How much more the variance is when each value resembles the one before it."""
    centred = residuals - residuals.mean()
    power = float(centred @ centred)
    likeness = float(centred[1:] @ centred[:-1]) / power if power else 0.0
    likeness = min(max(likeness, 0.0), 0.98)
    return (1 + likeness) / (1 - likeness)
