"""What workflows need from where metrics are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]


class Tier(Enum):
    """How far apart values are, and for how long they are kept, both in seconds."""

    SECOND = (1, 2 * 3600)
    MINUTE = (60, 7 * 86_400)
    FIVE_MINUTES = (300, 30 * 86_400)
    HOUR = (3600, 365 * 86_400)

    @property
    def resolution_seconds(self) -> int:
        return self.value[0]

    @property
    def kept_seconds(self) -> int:
        return self.value[1]


@dataclass(frozen=True, eq=False)
class Batch:
    """The values of several metrics at one time, a value for each subject; NaN is unknown.

    `at_seconds` is since 1970, kept to the millisecond. A subject is a node, or whatever else has
    its own value; all are different. `columns`: by metric, shape (subjects,).
    """

    at_seconds: float
    subjects: tuple[str, ...]
    columns: Mapping[str, Values]

    def __post_init__(self) -> None:
        if len(set(self.subjects)) != len(self.subjects):
            raise ValueError("a subject is named twice")
        for metric, values in self.columns.items():
            if values.shape != (len(self.subjects),):
                raise ValueError(f"{metric} has not one value for each subject")


@dataclass(frozen=True, eq=False)
class History:
    """A metric over time: `values` has shape (times, subjects); NaN is unknown.

    `times` are seconds since 1970, ascending. It may not be written to.
    """

    times: NDArray[np.float64]
    subjects: tuple[str, ...]
    values: Values


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

    def forget(self, *, now: float) -> int:
        """Remove what is older than its tier keeps. Returns how many columns that were."""
        ...

    def close(self) -> None: ...
