"""Counters over time: by how much they grew, and how fast.

All arrays have shape (times, subjects) and are float64: a counter beyond 2**24 would stand still in
float32. A counter that is lower than before has begun anew at 0, so it grew by what it shows now.
That is the least that can have happened; what came between its last value and its end is not known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def increases(totals: Floats) -> Floats:
    """By how much each value is more than the last known one before it, shape (times, subjects).

    Unknown (NaN) where the value is, or where none was known before.
    """
    grown = totals - _before(totals)
    return np.where(grown < 0, totals, grown)


def rates(times: Floats, totals: Floats) -> Floats:
    """Increases per second since the last known value, shape (times, subjects); NaN as there.

    `times` are seconds, ascending, shape (times,).
    """
    known_at = np.where(np.isnan(totals), np.nan, times[:, None])
    return increases(totals) / (times[:, None] - _before(known_at))


def increase(totals: Floats) -> Floats:
    """By how much each subject's counter grew in all, shape (subjects,).

    NaN with fewer than two known values.
    """
    return _sum(increases(totals))


def rate(times: Floats, totals: Floats) -> Floats:
    """The increase per second between the first and the last known value, shape (subjects,)."""
    known = ~np.isnan(totals)
    at = np.broadcast_to(times[:, None], totals.shape)
    first = np.min(at, axis=0, initial=np.inf, where=known)
    last = np.max(at, axis=0, initial=-np.inf, where=known)
    seconds = np.where(last > first, last - first, np.nan)
    return increase(totals) / seconds


def _before(values: Floats) -> Floats:
    """The last known value before each, along the first axis."""
    row = np.arange(len(values))[:, None]
    latest = np.maximum.accumulate(np.where(np.isnan(values), -1, row), axis=0)
    earlier = np.vstack([np.full((1, values.shape[1]), -1), latest[:-1]])[: len(values)]
    filled = np.take_along_axis(values, np.maximum(earlier, 0), axis=0) if len(values) else values
    return np.where(earlier < 0, np.nan, filled)


def _sum(values: Floats) -> Floats:
    known = ~np.isnan(values)
    return np.where(known.any(axis=0), np.sum(values, axis=0, where=known), np.nan)
