"""Targets over a window of time: how well they were met, and where they are going."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.series import Batch, History
from phoenixctl.metrics.subjects import FLEET
from phoenixctl.metrics.trend import Trend, trend
from phoenixctl.metrics.windows import Window, good_share
from phoenixctl.model.fleet import Targets
from phoenixctl.model.reading import Reading
from phoenixctl.performance.compliance import (
    OBJECTIVES,
    Better,
    Objective,
    compliance,
    deviation,
    targets_by_name,
)

Floats = NDArray[np.float64]

HOLD_SECONDS: Final = 300.0  # a value is taken to last so long at most, when none follows it


class Course(StrEnum):
    """Whether a target is met better as time goes, as far as that is no chance."""

    BETTER = "better"
    WORSE = "worse"
    STEADY = "steady"
    UNKNOWN = "unknown"  # too few values


@dataclass(frozen=True, slots=True)
class OverTime:
    """One target over one window. None is unknown.

    `mean` is of the values, `compliance` and `deviation` are the means of those of each value.
    `met` is the share of the known time in which the target was met. `trend` is that of the value,
    in its unit per second; `missed_in_seconds` is when it would be missed if that went on.
    """

    objective: Objective
    target: float
    window: Window
    count: int
    latest: float | None
    mean: float | None
    compliance: float | None
    deviation: float | None
    met: float | None
    trend: Trend | None
    course: Course
    missed_in_seconds: float | None


def target_values(readings: Mapping[str, Reading], *, at_seconds: float) -> Batch:
    """The values that targets are held against, as a batch of the whole fleet."""
    known = {
        name: np.array([reading.value], np.float32)
        for name, reading in readings.items()
        if reading.value is not None
    }
    return Batch(at_seconds, (FLEET,), known)


def over_time(
    targets: Targets, histories: Mapping[str, History], window: Window
) -> tuple[OverTime, ...]:
    """Every objective over the window, from what was kept of the fleet's values by their names."""
    wanted = targets_by_name(targets)
    return tuple(
        _over_time(objective, wanted[objective.name], histories.get(objective.name), window)
        for objective in OBJECTIVES
    )


def _over_time(
    objective: Objective, target: float, history: History | None, window: Window
) -> OverTime:
    times, values = _of_fleet(history)
    # They are kept with seven digits: what was equal is to be equal.
    values = np.where(np.isclose(values, target, rtol=1e-6, atol=0.0), target, values)
    if not times.size:
        return OverTime(
            objective, target, window, 0, None, None, None, None, None, None, Course.UNKNOWN, None
        )
    better = objective.better
    found = trend(times, values)
    good = np.array([[deviation(better, value, target) == 0.0] for value in values], np.float32)
    met, _ = good_share(times, good, until=window.until, hold_seconds=HOLD_SECONDS)
    course = _course(better, target, times, values)
    return OverTime(
        objective=objective,
        target=target,
        window=window,
        count=int(times.size),
        latest=float(values[-1]),
        mean=float(values.mean()),
        compliance=float(np.mean([compliance(better, value, target) for value in values])),
        deviation=float(np.mean([deviation(better, value, target) for value in values])),
        # Room to spare and too much of it are both no miss of a target that is to be near.
        met=None if better is Better.NEAR or np.isnan(met[0]) else float(met[0]),
        trend=found,
        course=course,
        missed_in_seconds=_missed_in(better, target, values, found)
        if course is Course.WORSE
        else None,
    )


def _of_fleet(history: History | None) -> tuple[Floats, Floats]:
    """The fleet's known values with their times."""
    if history is None or FLEET not in history.subjects:
        return np.zeros(0), np.zeros(0)
    values = history.values[:, history.subjects.index(FLEET)].astype(np.float64)
    known = ~np.isnan(values)
    return history.times[known], values[known]


def _course(better: Better, target: float, times: Floats, values: Floats) -> Course:
    """A fall of what is to be low is an improvement also below the target, and so on."""
    towards = {
        Better.LOWER: values,
        Better.HIGHER: -values,
        Better.NEAR: np.abs(values - target),
    }[better]
    found = trend(times, towards)
    if found is None:
        return Course.UNKNOWN
    match found.direction:
        case "rising":
            return Course.WORSE
        case "falling":
            return Course.BETTER
        case _:
            return Course.STEADY


def _missed_in(better: Better, target: float, values: Floats, found: Trend | None) -> float | None:
    """Seconds from the last value on; None when it is missed already, or never would be."""
    latest = float(np.median(values[-3:]))
    if better is Better.NEAR or found is None or found.slope == 0:
        return None
    ahead = (target - latest) / found.slope
    return ahead if ahead > 0 else None
