"""Trends: slope, outliers, how sure, and that loads without one seldom have one."""

from __future__ import annotations

import numpy as np
import pytest

from phoenixctl.metrics.trend import Direction, trend

MINUTES = np.arange(120) * 60.0


def found(values: np.ndarray, times: np.ndarray = MINUTES) -> tuple[Direction, float]:
    result = trend(times, values)
    assert result is not None
    return result.direction, result.slope


def test_a_line_has_its_slope_per_second() -> None:
    direction, slope = found(5 - MINUTES / 100)
    assert direction is Direction.FALLING
    assert slope == pytest.approx(-0.01)


def test_a_fifth_of_outliers_does_not_move_the_slope() -> None:
    values = MINUTES / 100
    values[::5] = 1e6
    direction, slope = found(values)
    assert direction is Direction.RISING
    assert slope == pytest.approx(0.01, rel=0.2)


def test_a_slow_rise_is_found_in_noise() -> None:
    noise = np.random.default_rng(1).normal(size=120)
    assert found(MINUTES / 7200 * 2 + noise)[0] is Direction.RISING


@pytest.mark.parametrize("likeness", [0.0, 0.6, 0.9])
def test_noise_seldom_has_a_trend_also_when_each_value_resembles_the_last(likeness: float) -> None:
    rng = np.random.default_rng(7)
    sure = 0
    for _ in range(100):
        values = rng.normal(size=120)
        for number in range(1, 120):
            values[number] += likeness * values[number - 1]
        sure += found(values)[0] is not Direction.NONE
    assert sure <= 20


def test_what_stands_still_has_no_trend() -> None:
    assert found(np.ones(120)) == (Direction.NONE, 0)


def test_unknown_values_are_left_out() -> None:
    values = MINUTES / 100
    values[10:90] = np.nan
    assert found(values)[0] is Direction.RISING
    assert trend(MINUTES[:3], MINUTES[:3]) is None
    assert trend(MINUTES, np.full(120, np.nan)) is None


def test_a_day_of_seconds_is_thinned_and_keeps_its_slope() -> None:
    times = np.arange(86_400.0)
    assert found(times * 2, times) == (Direction.RISING, pytest.approx(2))
