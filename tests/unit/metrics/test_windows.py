"""Questions about a window: statistics, percentiles, availability."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.metrics.windows import (
    Window,
    as_one,
    good_share,
    last,
    serial_availability,
    statistics,
    summed,
)

NAN = float("nan")
VALUES = st.lists(st.floats(-1e6, 1e6, width=32) | st.just(NAN), max_size=40)


def nearest_rank(values: list[float], percentile: int) -> float:
    """The specification's rule, in decimal arithmetic."""
    ordered = sorted(value for value in values if value == value)
    place = Decimal(len(ordered) * percentile) / 100
    return ordered[max(int(place.quantize(Decimal(1), ROUND_HALF_UP)), 1) - 1] if ordered else NAN


@given(VALUES, VALUES, st.integers(1, 100))
def test_each_subject_has_the_statistics_of_its_own_values(
    first: list[float], second: list[float], percentile: int
) -> None:
    length = max(len(first), len(second))
    columns = [values + [NAN] * (length - len(values)) for values in (first, second)]
    found = statistics(np.array(columns, np.float32).T.reshape(length, 2), [percentile])
    for number, values in enumerate((first, second)):
        known = [value for value in values if value == value]
        assert found.count[number] == len(known)
        np.testing.assert_array_equal(found.low[number], min(known, default=NAN))
        np.testing.assert_array_equal(found.high[number], max(known, default=NAN))
        np.testing.assert_allclose(found.total[number], sum(known) if known else NAN, atol=1e-6)
        np.testing.assert_array_equal(
            found.percentiles[percentile][number], nearest_rank(values, percentile)
        )


def test_the_usual_percentiles_of_one_to_a_hundred() -> None:
    found = statistics(np.arange(1.0, 101)[:, None])
    assert {p: at[0] for p, at in found.percentiles.items()} == {50: 50, 95: 95, 99: 99}
    assert (found.mean[0], found.count[0]) == (50.5, 100)


def test_half_a_rank_is_rounded_away_from_zero() -> None:
    # 50 % of 5 is 2.5: the third. Python's own round would give the second.
    assert statistics(np.arange(1.0, 6)[:, None], [50]).percentiles[50][0] == 3


def test_a_fleet_has_the_percentile_of_all_values_not_an_average_of_percentiles() -> None:
    values = np.array([[1, 100.0]] * 19 + [[1, 1]])
    assert statistics(as_one(values), [50]).percentiles[50][0] == 1
    assert statistics(values, [50]).percentiles[50].mean() == 50.5


def test_of_nothing_known_all_is_unknown_and_none_is_zero() -> None:
    found = statistics(np.full((3, 1), NAN))
    assert found.count[0] == 0
    assert np.isnan([found.total[0], found.low[0], found.mean[0], found.percentiles[95][0]]).all()


@pytest.mark.parametrize("percentile", [0, 101])
def test_there_are_percentiles_from_1_to_100(percentile: int) -> None:
    with pytest.raises(ValueError, match="1 to 100"):
        statistics(np.ones((1, 1)), [percentile])


def test_windows_end_now() -> None:
    assert last("hour", now=7200) == Window(3600, 7200)
    assert last(90, now=100).seconds == 90
    with pytest.raises(ValueError, match="minute, hour, day"):
        last("week", now=0)
    with pytest.raises(ValueError, match="ends after"):
        Window(2, 2)


def test_a_sum_is_over_the_subjects_that_are_known() -> None:
    np.testing.assert_array_equal(
        summed(np.array([[1, 2], [NAN, 5], [NAN, NAN]], np.float32)), [3, 5, NAN]
    )


def test_a_serial_fleet_is_there_when_each_node_is() -> None:
    assert serial_availability(np.array([0.9, NAN, 0.5])) == 0.45
    assert np.isnan(serial_availability(np.array([NAN])))


def test_good_time_is_weighted_by_how_long_each_value_held() -> None:
    times = np.array([0.0, 10, 40])
    good = np.array([[1, 0], [0, NAN], [1, 1]], np.float32)
    share, seconds = good_share(times, good, until=60, hold_seconds=1e9)
    assert (share.tolist(), seconds.tolist()) == ([30 / 60, 20 / 30], [60, 30])


def test_a_value_does_not_hold_over_a_long_gap() -> None:
    share, seconds = good_share(
        np.array([0.0, 1000]), np.array([[1.0], [0]]), until=1010, hold_seconds=30
    )
    assert (share.tolist(), seconds.tolist()) == ([30 / 40], [40])
    assert np.isnan(good_share(np.array([]), np.ones((0, 1)), until=9, hold_seconds=9)[0]).all()
