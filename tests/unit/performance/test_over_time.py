"""Targets over a window: how well they were met, and where they are going."""

from __future__ import annotations

import numpy as np
import pytest

from phoenixctl.metrics.series import History
from phoenixctl.metrics.windows import Window
from phoenixctl.model.fleet import Targets
from phoenixctl.model.reading import Reading
from phoenixctl.performance.over_time import Course, OverTime, over_time, target_values

HOUR = Window(0.0, 3600.0)
TIMES = np.arange(0.0, 3600.0, 60.0)
P95, FLOW, BUSY = "agent_response_time_p95", "message_throughput", "resource_utilization"


def history(values: np.ndarray, *, subjects: tuple[str, ...] = ("*",)) -> History:
    column = np.asarray(values, np.float32).reshape(-1, 1)
    return History(TIMES[: len(column)], subjects, column)


def judged(name: str, values: np.ndarray) -> OverTime:
    found = over_time(Targets(), {name: history(values)}, HOUR)
    return next(one for one in found if one.objective.name == name)


def noise(scale: float) -> np.ndarray:
    return np.random.default_rng(3).normal(scale=scale, size=TIMES.size)


def test_a_target_that_was_met_all_the_time_is_met_in_full() -> None:
    found = judged(P95, np.full(60, 0.020))
    assert (found.compliance, found.deviation, found.met) == (1.0, 0.0, 1.0)
    assert found.latest == pytest.approx(0.020)
    assert found.count == 60


def test_the_share_of_good_time_and_the_mean_deviation_are_told_apart() -> None:
    # A quarter of the hour at twice the target of 50 ms.
    found = judged(P95, np.r_[np.full(45, 0.030), np.full(15, 0.100)])
    assert found.met == pytest.approx(0.75)
    assert found.compliance == pytest.approx(0.75 + 0.25 * 0.5)
    assert found.deviation == pytest.approx(0.25 * 1.0)


def test_a_rise_of_what_is_to_be_low_is_worse_and_says_when_the_target_is_missed() -> None:
    found = judged(P95, 0.020 + TIMES / 3600 * 0.010 + noise(0.0005))
    assert found.course is Course.WORSE
    # At 10 ms an hour, from 30 to 50 ms: in two hours.
    assert found.missed_in_seconds == pytest.approx(2 * 3600, rel=0.15)


def test_a_rise_of_what_is_to_be_high_is_better() -> None:
    found = judged(FLOW, 5_000 + TIMES + noise(50))
    assert found.course is Course.BETTER
    assert found.missed_in_seconds is None


def test_a_load_that_nears_its_target_from_either_side_gets_better() -> None:
    assert judged(BUSY, 0.95 - TIMES / 36_000 + noise(0.002)).course is Course.BETTER
    assert judged(BUSY, 0.55 + TIMES / 36_000 + noise(0.002)).course is Course.BETTER
    assert judged(BUSY, 0.75 + TIMES / 36_000 + noise(0.002)).course is Course.WORSE
    assert judged(BUSY, 0.75 + TIMES / 36_000).met is None


def test_a_value_that_is_its_target_meets_it_also_as_it_is_kept() -> None:
    # As float32, 0.05 is a little more than 0.05.
    found = judged(P95, np.full(60, 0.05))
    assert (found.compliance, found.met) == (1.0, 1.0)


def test_noise_is_steady() -> None:
    assert judged(P95, 0.040 + noise(0.003)).course is Course.STEADY


def test_what_is_missed_already_is_not_foretold() -> None:
    found = judged(P95, 0.080 + TIMES / 3600 * 0.010 + noise(0.0005))
    assert found.course is Course.WORSE
    assert found.missed_in_seconds is None


def test_nothing_kept_is_unknown_and_not_zero() -> None:
    for one in over_time(Targets(), {P95: history(np.full(60, np.nan))}, HOUR):
        assert one.count == 0
        assert (one.compliance, one.deviation, one.met, one.latest) == (None, None, None, None)
        assert one.course is Course.UNKNOWN


def test_values_of_nodes_are_not_those_of_the_fleet() -> None:
    found = over_time(Targets(), {P95: history(np.full(60, 9.0), subjects=("web-1",))}, HOUR)
    assert all(one.count == 0 for one in found)


def test_only_what_is_known_of_the_fleet_is_kept() -> None:
    batch = target_values({P95: Reading(0.02, 1.0), FLOW: Reading(None, 1.0, "idle")}, at_seconds=7)
    assert batch.subjects == ("*",)
    assert {name: values.tolist() for name, values in batch.columns.items()} == {
        P95: [pytest.approx(0.02)]
    }
