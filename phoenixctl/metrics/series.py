"""Values of metrics over time, and how long each resolution of them is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

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
