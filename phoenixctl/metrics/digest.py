"""Digests: of many values how many there were, their sum, the least, the greatest, a histogram.

Digests of parts of time or of a fleet add up to that of the whole, in any order; only of sums of
fractions the last bits depend on it. A roll-up is a digest for each subject. Of a counter, `total`
is by how much it grew, and the rest is of its rates per second between two values.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.histogram import (
    Histograms,
    deflated,
    histograms,
    inflated,
    merged,
    moved,
    pack,
    unpack,
    with_ends,
    without_ends,
)
from phoenixctl.metrics.rank import rank

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Digests:
    """One for each of several rows, all of shape (rows,); a row without values has a count of 0.

    `total` is float64; `low` and `high` are float32 as values are, NaN without values.
    """

    count: Integers
    total: Floats
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    histograms: Histograms

    @property
    def rows(self) -> int:
        return self.count.size

    @property
    def mean(self) -> Floats:
        """NaN without values. For a counter's mean rate divide `total` by the seconds instead."""
        return self.total / np.where(self.count > 0, self.count, np.nan)

    def percentile(self, percentile: int) -> Floats:
        """The nearest rank, within histogram.ERROR (0.14 %) of the exact one; NaN without values.

        Exact where it is the least or the greatest value. `percentile`: 1 to 100, whole.
        """
        low, high = self.low.astype(np.float64), self.high.astype(np.float64)
        found = np.clip(self.histograms.percentile(percentile), low, high)
        place = rank(self.count, percentile)
        return np.where(place >= self.count, high, np.where(place == 1, low, found))

    def of_rows(self, rows: Integers) -> Self:
        """These rows in this order; none of them twice."""
        to = np.full(self.rows, -1)
        to[rows] = np.arange(rows.size)
        entries = np.isin(self.histograms.row, rows)
        sizes = np.where(to >= 0, np.diff(self.histograms.starts), 0)
        part = Histograms(
            np.concatenate([[0], np.cumsum(sizes)]),
            self.histograms.numbers[entries],
            self.histograms.counts[entries],
        )
        return type(self)(
            self.count[rows],
            self.total[rows],
            self.low[rows],
            self.high[rows],
            moved(part, np.maximum(to, 0), rows.size),
        )


def digest(values: Sequence[float] | NDArray[np.floating]) -> Digests:
    """Of many values of one subject, in one row; NaN is left out."""
    return digests(np.asarray(values, np.float64).reshape(-1, 1))


def digests(values: NDArray[np.floating], totals: Floats | None = None) -> Digests:
    """Of values of shape (times, rows), NaN left out; `totals` if they are not the values' sums."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is infinite
        exact = values.astype(np.float32)
        known = ~np.isnan(exact)
        if totals is None:
            totals = np.sum(values, axis=0, where=known, dtype=np.float64)
    row = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    count = np.count_nonzero(known, axis=0)
    return Digests(
        count=count,
        total=np.where(count > 0, totals, 0.0),
        low=_extreme(np.fmin, exact),
        high=_extreme(np.fmax, exact),
        histograms=histograms(exact.ravel(), row.ravel(), values.shape[1]),
    )


def merged_digests(parts: Sequence[Digests]) -> Digests:
    """Row by row, all values of all the parts, which have equally many rows; at least one."""
    if len(parts) == 1:
        return parts[0]
    return Digests(
        count=np.sum([part.count for part in parts], axis=0),
        total=_sum([part.total for part in parts]),
        low=_extreme(np.fmin, np.array([part.low for part in parts])),
        high=_extreme(np.fmax, np.array([part.high for part in parts])),
        histograms=merged([part.histograms for part in parts]),
    )


def moved_digests(part: Digests, to: Integers, rows: int) -> Digests:
    """The same with row i as row `to[i]` of so many; several that go to one row are added up."""
    count, total = np.zeros(rows, np.int64), np.zeros(rows)
    low, high = np.full(rows, np.nan, np.float32), np.full(rows, np.nan, np.float32)
    np.add.at(count, to, part.count)
    np.add.at(total, to, part.total)
    np.fmin.at(low, to, part.low)
    np.fmax.at(high, to, part.high)
    return Digests(count, total, low, high, moved(part.histograms, to, rows))


def together(part: Digests) -> Digests:
    """All rows as one."""
    return moved_digests(part, np.zeros(part.rows, np.int64), 1)


def pack_digests(part: Digests) -> tuple[bytes, bytes]:
    """Two blobs: count, sum, least and greatest; the histograms. Sums are kept as they are."""
    numbers = (part.count.astype("<u4"), part.total.astype("<f8"))
    ends = (part.low.astype("<f4"), part.high.astype("<f4"))
    moments = b"".join(deflated(array) for array in (*numbers, *ends))
    # Which buckets the least and the greatest are in is known from themselves.
    return moments, pack(without_ends(part.histograms))


def unpack_digests(moments: bytes, content: bytes, rows: int) -> Digests:
    """What was packed. ValueError when it is not whole."""
    count, total, low, high = unpack_moments(moments, rows)
    inner = unpack(content)
    if inner.rows != rows:
        raise ValueError("a roll-up does not fit its list of subjects")
    second = np.where(count > 1, high, np.float32(np.nan))
    return Digests(count, total, low, high, with_ends(inner, low, second))


def unpack_moments(
    moments: bytes, rows: int
) -> tuple[Integers, Floats, NDArray[np.float32], NDArray[np.float32]]:
    """Count, sum, least and greatest alone. ValueError when they are not whole."""
    try:
        count, at = inflated(moments, 0, rows, "<u4")
        total, at = inflated(moments, at, rows, "<f8")
        low, at = inflated(moments, at, rows, "<f4")
        high, at = inflated(moments, at, rows, "<f4")
    except (struct.error, zlib.error, ValueError):
        raise ValueError("a roll-up is not whole") from None
    if at != len(moments):
        raise ValueError("a roll-up does not fit its list of subjects")
    return count.astype(np.int64), total, low, high


def _sum(totals: Sequence[Floats]) -> Floats:
    with np.errstate(invalid="ignore"):  # of infinite ones of both signs nothing is known
        found: Floats = np.sum(totals, axis=0)
    return found


def _extreme(which: np.ufunc, values: NDArray[np.float32]) -> NDArray[np.float32]:
    if not len(values):
        return np.full(values.shape[1], np.nan, np.float32)
    found: NDArray[np.float32] = which.reduce(values, axis=0)
    return found
