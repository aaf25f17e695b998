"""Roll-ups: what a metric was in each minute, five minutes or hour, as digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.digest import Digests, digests, merged_digests, moved_digests
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rates import increases, rates
from phoenixctl.metrics.series import History

Floats = NDArray[np.float64]

GAP_SECONDS: Final = 3600.0
"""By how much a counter grew since a value that is older than this is not known."""


@dataclass(frozen=True, eq=False)
class Rolled:
    """The digests of one bucket of time, a row for each subject."""

    subjects: tuple[str, ...]
    digests: Digests


@dataclass(frozen=True, eq=False)
class RollUps:
    """A metric in buckets of time that had values; `digests`: for each a row for each subject.

    `times` are when buckets begin, in seconds since 1970, ascending; each lasts for `seconds`.
    """

    times: Floats
    seconds: int
    subjects: tuple[str, ...]
    digests: tuple[Digests, ...]

    @property
    def count(self) -> NDArray[np.int64]:
        """How many values there were, shape (times, subjects) as all of these."""
        return np.array([one.count for one in self.digests]).reshape(self._shape)

    @property
    def total(self) -> Floats:
        """Their sum, 0 without values; of a counter by how much it grew."""
        return np.array([one.total for one in self.digests]).reshape(self._shape)

    def whole(self) -> Digests:
        """All buckets as one, a row for each subject."""
        nothing = digests(np.empty((0, len(self.subjects))))
        return merged_digests(self.digests or (nothing,))

    @property
    def _shape(self) -> tuple[int, int]:
        return self.times.size, len(self.subjects)


def rolled_up(history: History, kind: Kind, *, start: float) -> Rolled | None:
    """The values since `start` as one bucket; None when none is known.

    What is before `start` says only from where a counter grew.
    """
    inside = history.times >= start
    if kind is Kind.COUNTER:
        totals = history.values.astype(np.float64)
        grown = increases(totals)[inside]
        speed = rates(history.times, totals)[inside]
        made = digests(speed, np.nansum(grown, axis=0))
    else:
        made = digests(history.values[inside])
    return Rolled(history.subjects, made) if made.count.any() else None


def joined(parts: Sequence[Rolled]) -> Rolled | None:
    """One bucket of several, whose subjects may differ; None of none."""
    if not parts:
        return None
    subjects = united([part.subjects for part in parts])
    spread = [spread_out(part, subjects) for part in parts]
    return Rolled(subjects, merged_digests(spread))


def united(rosters: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """All subjects in the order of names; as they are where all rosters are the same."""
    if len(set(rosters)) == 1:
        return rosters[0]
    return tuple(sorted({subject for roster in rosters for subject in roster}))


def spread_out(part: Rolled, subjects: tuple[str, ...]) -> Digests:
    """Its digests as rows for these subjects, which have all of its own."""
    if part.subjects == subjects:
        return part.digests
    row = {subject: number for number, subject in enumerate(subjects)}
    to = np.array([row[subject] for subject in part.subjects], np.int64)
    return moved_digests(part.digests, to, len(subjects))
