"""Values of metrics over time, and how long each resolution of them is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.digest import Digests
from phoenixctl.metrics.kinds import Kind

Values: TypeAlias = NDArray[np.float32 | np.float64]


class Tier(Enum):
    """How far apart values are, and for how long they are kept, both in seconds.

    The first has values as they were written, each further one a roll-up of the one before it.
    """

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


def covering(start: float, until: float, *, now: float, most: int | None = None) -> Tier:
    """The finest tier that still has everything since `start`, and has at most so many times.

    The coarsest one where none has that. Of seconds since 1970.
    """
    for tier in Tier:
        times = (until - start) / tier.resolution_seconds
        if now - start <= tier.kept_seconds and (most is None or times <= most):
            return tier
    return Tier.HOUR


@dataclass(frozen=True, eq=False)
class Batch:
    """The values of several metrics at one time, a value for each subject; NaN is unknown.

    `at_seconds` is since 1970, kept to the millisecond. A subject is a node, or whatever else has
    its own value; all are different. `columns`: by metric, shape (subjects,). `observed`: by
    metric, what was observed since the last batch, a row for each subject. A metric that `kinds`
    does not name is of the kind that it was before, at first a gauge. Of a counter the totals
    belong here; they are kept as float64, all else as float32.
    """

    at_seconds: float
    subjects: tuple[str, ...]
    columns: Mapping[str, Values]
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    observed: Mapping[str, Digests] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.subjects)) != len(self.subjects):
            raise ValueError("a subject is named twice")
        shapes = {metric: values.shape for metric, values in self.columns.items()}
        shapes |= {metric: (digests.rows,) for metric, digests in self.observed.items()}
        for metric, shape in shapes.items():
            if shape != (len(self.subjects),):
                raise ValueError(f"{metric} has not one value for each subject")


@dataclass(frozen=True, eq=False)
class History:
    """A metric over time: `values` has shape (times, subjects); NaN is unknown.

    `times` are seconds since 1970, ascending. It may not be written to.
    """

    times: NDArray[np.float64]
    subjects: tuple[str, ...]
    values: Values
