"""How fast an error budget is used up: times the speed at which it would just last.

Google, The Site Reliability Workbook, chapter 5: an alert fires while both a long window and a
short one burn too fast; the long one makes it matter, the short one lets it end soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.series import History
from phoenixctl.model.alerting import Burn, BurnRule

BUCKET_SECONDS: Final = 60.0  # values are averaged in these first: a denser time counts no more
CLEAR: Final = 0.9  # of the factor; what burns slower than this is over


@dataclass(frozen=True, slots=True)
class Buckets:
    """A metric by minute: `values` of shape (buckets, subjects), NaN where nothing is known."""

    first: int  # the number of the first bucket since 1970
    values: NDArray[np.float64]


def bucketed(
    histories: Sequence[History], subjects: Sequence[str], *, start: float, until: float
) -> Buckets:
    """Means by minute; the first of `histories` that knows a minute decides it."""
    first = int(start // BUCKET_SECONDS)
    count = int(until // BUCKET_SECONDS) - first + 1
    result = np.full((count, len(subjects)), np.nan)
    for history in histories:
        found = _means(history, subjects, first, count)
        result = np.where(np.isnan(result), found, result)
    return Buckets(first, result)


def _means(
    history: History, subjects: Sequence[str], first: int, count: int
) -> NDArray[np.float64]:
    place = {subject: column for column, subject in enumerate(history.subjects)}
    rows = (history.times // BUCKET_SECONDS).astype(np.int64) - first
    inside = (rows >= 0) & (rows < count)
    totals = np.zeros((count, len(subjects)))
    numbers = np.zeros((count, len(subjects)))
    columns = [(to, place[s]) for to, s in enumerate(subjects) if s in place]
    if columns and inside.any():
        to, source = (list(side) for side in zip(*columns, strict=True))
        values = history.values[inside][:, source].astype(np.float64)
        known = ~np.isnan(values)
        where = np.ix_(rows[inside], to)
        np.add.at(totals, where, np.where(known, values, 0.0))
        np.add.at(numbers, where, known)
    with np.errstate(invalid="ignore"):
        return np.where(numbers > 0, totals / numbers, np.nan)


def burn_rates(
    rule: BurnRule, bad: Buckets, weight: Buckets | None, *, seconds: float, least_seconds: float
) -> NDArray[np.float64]:
    """Of each subject over the last `seconds`, with what is known of them; NaN where nothing is, or
    where nothing was known `least_seconds` ago.
    """
    rows = max(1, round(seconds / BUCKET_SECONDS))
    values = bad.values[-rows:]
    weights = np.ones_like(values) if weight is None else weight.values[-rows:]
    known = ~np.isnan(values) & ~np.isnan(weights)
    wrong = np.where(known, 1.0 - values if rule.good else values, 0.0)
    weights = np.where(known, weights, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (wrong * weights).sum(axis=0) / weights.sum(axis=0)
        since = len(values) - known.argmax(axis=0)  # in buckets, of those with any that is known
        enough = known.any(axis=0) & (since * BUCKET_SECONDS >= min(least_seconds, seconds))
        return np.where(enough, share / (1.0 - rule.objective), np.nan)


def key_of(burn: Burn) -> str:
    return f"{burn.severity.value} {burn.long_seconds:g}"
