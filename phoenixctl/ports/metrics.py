"""What workflows need from where metrics are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from phoenixctl.metrics.series import Batch, History, Tier


class MetricStore(Protocol):
    """Keeps the metrics of one fleet. Who reads never keeps the writer waiting.

    StateDamaged when what is kept cannot be read, Locked when another writer does not end.
    """

    def write(self, batch: Batch, *, tier: Tier = Tier.SECOND) -> None:
        """Keep all of a batch or nothing of it; what was there at its time for the same subjects is
        replaced. Once this has returned, the end of this process does not lose it.
        """
        ...

    def read(self, metric: str, *, start: float, until: float, tier: Tier = Tier.SECOND) -> History:
        """A metric from `start` until before `until`, in seconds since 1970; without times when
        there is nothing.
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

    def forget(self, *, now: float) -> int:
        """Remove what is older than its tier keeps. Returns how many columns that were."""
        ...

    def close(self) -> None: ...
