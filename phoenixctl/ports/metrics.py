"""What workflows need from where metrics are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rollup import RollUps
from phoenixctl.metrics.series import Batch, History, Tier


class MetricStore(Protocol):
    """Keeps the metrics of one fleet. Who reads never keeps the writer waiting.

    StateDamaged when what is kept cannot be read, Locked when another writer does not end.
    """

    def write(self, batch: Batch) -> None:
        """Keep all of a batch or nothing of it; what was there at its time for the same subjects is
        replaced. Once this has returned, the end of this process does not lose it.
        """
        ...

    def read(self, metric: str, *, start: float, until: float, tier: Tier = Tier.SECOND) -> History:
        """A metric from `start` until before `until`, in seconds since 1970; without times when
        there is nothing.

        Values are those that were written; where many were observed, their mean. In coarser tiers
        they are means too, each at the beginning of its bucket, also of the one that `start` is in;
        of a counter they are by how much it has grown since then.
        """
        ...

    def digests(self, metric: str, *, start: float, until: float, tier: Tier) -> RollUps:
        """The buckets of a tier that begin before `until`, from the one on that `start` is in.

        What was written and is not rolled up yet is in them too. In the first tier each time at
        which something was written is a bucket.
        """
        ...

    def series(self, tier: Tier = Tier.SECOND) -> Mapping[str, tuple[str, ...]]:
        """The subjects that each metric has values for, both in the order of names."""
        ...

    def latest(self, *, since: float) -> Mapping[str, Mapping[str, float]]:
        """By metric and subject, the last value of the finest tier that is not older than `since`;
        a subject that was unknown at its last time is not there.
        """
        ...

    def kinds(self) -> Mapping[str, Kind]:
        """What kind each metric is of, as it was last written."""
        ...

    def rollup(self, *, now: float) -> int:
        """Roll up each bucket that has ended and has had something new since it was rolled up.

        Done in small parts, each as a whole or not at all, so that it can be cut off and done
        again. Also what comes late is taken in, as long as the first tier keeps its time. Returns
        how many roll-ups were made; without anything new that is 0.
        """
        ...

    def forget(self, *, now: float) -> int:
        """Remove what is older than its tier keeps, after a roll-up of what is not rolled up yet.

        Returns how many columns and roll-ups that were.
        """
        ...

    def close(self) -> None: ...
