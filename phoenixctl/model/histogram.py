"""Response times as bucket counts, which unlike percentiles can be added up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isinf


@dataclass(frozen=True, slots=True)
class Histogram:
    """Observations per bucket, as Prometheus has them.

    `bounds` are the buckets' upper limits, ascending, the last one infinite; `counts` are
    cumulative, one per bound; `total` is the sum of all observed values.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    total: float

    @property
    def count(self) -> float:
        return self.counts[-1] if self.counts else 0.0

    def mean(self) -> float | None:
        return self.total / self.count if self.count > 0 else None

    def quantile(self, q: float) -> float | None:
        """The q-quantile by linear interpolation within its bucket, as `histogram_quantile` does.

        In the infinite bucket: the highest finite bound, which is then a lower limit of the truth.
        """
        if self.count <= 0:
            return None
        rank = q * self.count
        index = bisect_left(self.counts, rank)
        if isinf(self.bounds[index]):
            return self.bounds[index - 1] if index else None
        low = self.bounds[index - 1] if index else 0.0
        below = self.counts[index - 1] if index else 0.0
        inside = self.counts[index] - below
        return low + (self.bounds[index] - low) * (rank - below) / inside if inside else low

    def since(self, earlier: Histogram) -> Histogram | None:
        """What was observed after `earlier`; None after a counter reset or a change of buckets."""
        if self.bounds != earlier.bounds:
            return None
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        # A restarted agent may have counted past the old total; then single buckets shrink.
        if any(more < less for less, more in pairwise((0.0, *counts))):
            return None
        return Histogram(self.bounds, counts, self.total - earlier.total)


def merged(histograms: Iterable[Histogram]) -> Histogram | None:
    """All observations together; with different buckets, over the bounds they have in common."""
    parts = [h for h in histograms if h.count > 0]
    if not parts:
        return None
    total = sum(h.total for h in parts)
    if all(h.bounds == parts[0].bounds for h in parts):  # as nearly always; a tenth of the work
        together = tuple(map(sum, zip(*(h.counts for h in parts), strict=True)))
        return Histogram(parts[0].bounds, together, total)
    shared = set(parts[0].bounds).intersection(*(h.bounds for h in parts[1:])) | {inf}
    bounds = tuple(sorted(shared))
    counts = tuple(sum(_at_most(h, bound) for h in parts) for bound in bounds)
    return Histogram(bounds, counts, total)


def _at_most(histogram: Histogram, bound: float) -> float:
    return histogram.counts[bisect_left(histogram.bounds, bound)]
