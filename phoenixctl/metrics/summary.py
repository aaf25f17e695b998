"""A metric over a window of time in a few numbers, for groups of subjects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.digest import together
from phoenixctl.metrics.rates import rate, rates
from phoenixctl.metrics.rollup import RollUps
from phoenixctl.metrics.series import History, Values
from phoenixctl.metrics.trend import Trend, trend
from phoenixctl.metrics.windows import (
    PERCENTILES,
    as_one,
    good_share,
    serial_availability,
    statistics,
    summed,
)


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one group. None is unknown.

    Of a counter, all but `rate` is of its rates between two values, per second; `rate` is how fast
    its subjects grew together. `total` is the mean over time of the sum over subjects. `good` is
    the share of time in which a subject was up, the mean over subjects; `serial` is the product of
    these shares, for a group that needs all of its subjects.
    """

    name: str
    subjects: int
    count: int
    low: float | None
    mean: float | None
    high: float | None
    percentiles: Mapping[int, float | None]
    total: float | None
    rate: float | None
    trend: Trend | None
    good: float | None = None
    serial: float | None = None


def summaries(
    history: History,
    groups: Mapping[str, Sequence[int]],
    *,
    counter: bool = False,
    good_until: float | None = None,
    hold_seconds: float = 300.0,
) -> tuple[Summary, ...]:
    """One for each group, in the same order. `good_until`: the values are 1 for up, 0 for down."""
    made = []
    for name, positions in groups.items():
        part = history.values[:, list(positions)]
        values = _rates(history.times, part) if counter else part
        found = statistics(as_one(values))
        at_each_time = summed(values)
        good, serial = (
            (None, None)
            if good_until is None
            else _good(history.times, part, good_until, hold_seconds)
        )
        made.append(
            Summary(
                name=name,
                subjects=len(positions),
                count=int(found.count[0]),
                low=known(found.low[0]),
                mean=known(found.mean[0]),
                high=known(found.high[0]),
                percentiles={p: known(found.percentiles[p][0]) for p in PERCENTILES},
                total=known(_mean(at_each_time)),
                rate=known(_together(history.times, part)) if counter else None,
                trend=trend(history.times, _means(values)),
                good=good,
                serial=serial,
            )
        )
    return tuple(made)


def rolled_summaries(
    rolled: RollUps,
    groups: Mapping[str, Sequence[int]],
    *,
    seconds: float,
    counter: bool = False,
    good: bool = False,
) -> tuple[Summary, ...]:
    """The same of roll-ups, or of what was observed; percentiles are within histogram.ERROR.

    `seconds` is how long the window is. `good`: the values are 1 for up, 0 for down.
    """
    whole = rolled.whole()
    # How fast a counter grew in each bucket, and what anything else was in it.
    size = np.where(rolled.count > 0, float(rolled.seconds) if counter else rolled.count, np.nan)
    course = rolled.total / size
    made = []
    for name, positions in groups.items():
        own = together(whole.of_rows(np.array(positions, np.int64)))
        part = course[:, list(positions)]
        growth = float(own.total[0])
        mean = growth / seconds / len(positions) if counter else float(own.mean[0])
        some = bool(own.count[0])
        made.append(
            Summary(
                name=name,
                subjects=len(positions),
                count=int(own.count[0]),
                low=known(own.low[0]),
                mean=known(mean) if some else None,
                high=known(own.high[0]),
                percentiles={p: known(own.percentile(p)[0]) for p in PERCENTILES},
                total=known(_mean(summed(part))),
                rate=known(growth / seconds) if counter and some else None,
                trend=trend(rolled.times, _means(part)),
                good=known(mean) if good and some else None,
                serial=known(serial_availability(whole.mean[list(positions)])) if good else None,
            )
        )
    return tuple(made)


def largest(found: Iterable[Summary], count: int) -> tuple[Summary, ...]:
    """Those that have, or as counters do, most on average; who is unknown is not among them."""
    ranked = [(_rank(summary), summary.name, summary) for summary in found]
    ordered = sorted(
        (-value, name, summary) for value, name, summary in ranked if value is not None
    )
    return tuple(summary for _, _, summary in ordered[:count])


def known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _rates(times: NDArray[np.float64], totals: Values) -> Values:
    return rates(times, totals.astype(np.float64)).astype(np.float32)


def _rank(summary: Summary) -> float | None:
    return summary.mean if summary.rate is None else summary.rate


def _together(times: NDArray[np.float64], totals: NDArray[np.floating]) -> float:
    each = rate(times, totals.astype(np.float64))
    each = each[~np.isnan(each)]
    return float(each.sum()) if each.size else math.nan


def _mean(values: NDArray[np.float64]) -> float:
    known_ones = values[~np.isnan(values)]
    return float(known_ones.mean()) if known_ones.size else math.nan


def _means(values: Values) -> NDArray[np.float64]:
    """Over the subjects at each time; NaN where none is known."""
    count = np.count_nonzero(~np.isnan(values), axis=1)
    return summed(values) / np.where(count > 0, count, 1)


def _good(
    times: NDArray[np.float64], up: Values, until: float, hold_seconds: float
) -> tuple[float | None, float | None]:
    """The mean share of time that was good, by how long it is known, and the product of shares."""
    share, seconds = good_share(times, up, until=until, hold_seconds=hold_seconds)
    watched = seconds > 0
    if not watched.any():
        return None, None
    mean = np.average(share[watched], weights=seconds[watched])
    return known(float(mean)), known(serial_availability(share))
