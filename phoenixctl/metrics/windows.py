"""Questions about the values of a window of time, for all subjects at once.

Arrays have shape (times, subjects) unless it is said otherwise; NaN is unknown and is left out. A
percentile is the value of the nearest rank, so always one that was measured; percentiles are never
averaged: those of a pool or a fleet come from all values of its subjects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.rank import rank
from phoenixctl.metrics.series import Values

Floats = NDArray[np.float64]

SECONDS: Final[Mapping[str, int]] = {"minute": 60, "hour": 3600, "day": 86_400}
PERCENTILES: Final = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` until before `until`, seconds since 1970."""

    start: float
    until: float

    def __post_init__(self) -> None:
        if not self.start < self.until:
            raise ValueError("a window ends after its start")

    @property
    def seconds(self) -> float:
        return self.until - self.start


def last(what: str | float, *, now: float) -> Window:
    """The minute, hour or day before `now`, or so many seconds. ValueError for another name."""
    if isinstance(what, str):
        if what not in SECONDS:
            raise ValueError(f"{what!r} is no window: {', '.join(SECONDS)}")
        what = SECONDS[what]
    return Window(now - what, now)


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of each subject, shape (subjects,): `count` is how many values were known; all others are NaN
    where none was. `percentiles`: by number, 1 to 100.
    """

    count: NDArray[np.int64]
    total: Floats
    low: Floats
    high: Floats
    percentiles: Mapping[int, Floats]

    @property
    def mean(self) -> Floats:
        return self.total / np.where(self.count > 0, self.count, np.nan)


def statistics(values: Values, percentiles: Iterable[int] = PERCENTILES) -> Statistics:
    """What a window's values were. For all subjects as one: `statistics(as_one(values))`."""
    # Each subject's values side by side: sorting along the other axis takes three times as long.
    ordered = np.sort(np.ascontiguousarray(values.T), axis=1)  # unknown ones come last
    count = np.count_nonzero(~np.isnan(ordered), axis=1)
    known = count > 0
    total = np.where(known, np.nansum(ordered, axis=1, dtype=np.float64), np.nan)
    return Statistics(
        count=count,
        total=total,
        low=_at(ordered, np.where(known, 0, -1)),
        high=_at(ordered, count - 1),
        percentiles={p: _at(ordered, np.where(known, rank(count, p) - 1, -1)) for p in percentiles},
    )


def as_one(values: Values) -> Values:
    """All subjects' values as those of one, shape (times * subjects, 1)."""
    return values.reshape(-1, 1)


def summed(values: Values) -> Floats:
    """The sum over the subjects at each time, shape (times,); NaN where none is known."""
    known = ~np.isnan(values)
    total = np.sum(values, axis=1, where=known, dtype=np.float64)
    return np.where(known.any(axis=1), total, np.nan)


def serial_availability(availabilities: Values) -> float:
    """Of a fleet that needs each of its nodes: the product over those that are known.

    `availabilities` has shape (nodes,). NaN without a known one; with some unknown it is the most
    that can be.
    """
    known = availabilities[~np.isnan(availabilities)]
    return float(np.prod(known, dtype=np.float64)) if known.size else float("nan")


def good_share(
    times: Floats, good: Values, *, until: float, hold_seconds: float
) -> tuple[Floats, Floats]:
    """The share of the known time that was good, and the known seconds, each of shape (subjects,).

    `good` is 1 where it was good, 0 where it was not, NaN where it is not known. A value holds
    until the next one, at most for `hold_seconds`; longer gaps are unknown time and not judged.
    """
    ends = np.append(times[1:], until) if times.size else times
    held = np.clip(ends - times, 0, hold_seconds)[:, None]
    known = ~np.isnan(good)
    seconds = np.sum(held * known, axis=0)
    well = np.sum(held * np.where(known, good, 0), axis=0, dtype=np.float64)
    return well / np.where(seconds > 0, seconds, np.nan), seconds


def _at(ordered: Values, index: NDArray[np.int64]) -> Floats:
    """The value of this number in each row; NaN for a number below 0."""
    if not ordered.shape[1]:
        return np.full(len(ordered), np.nan)
    found = np.take_along_axis(ordered, np.maximum(index, 0)[:, None], axis=1)[:, 0]
    return np.where(index < 0, np.nan, found).astype(np.float64)
