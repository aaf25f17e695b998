"""Counters: growth, rates, resets, gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.metrics.rates import increase, increases, rate, rates

NAN = float("nan")


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float64)[:, None]


def test_a_counter_grows_by_the_difference() -> None:
    np.testing.assert_array_equal(increases(column(5, 8, 8, 20)), column(NAN, 3, 0, 12))


def test_a_counter_that_began_anew_grew_by_what_it_shows() -> None:
    np.testing.assert_array_equal(increases(column(100, 7, 9)), column(NAN, 7, 2))
    assert increase(column(90, 100, 7, 9)) == 10 + 7 + 2


def test_over_a_gap_the_growth_belongs_to_the_value_after_it() -> None:
    totals = column(NAN, 5, NAN, NAN, 11)
    times = np.array([0.0, 1, 2, 3, 4])
    np.testing.assert_array_equal(increases(totals), column(NAN, NAN, NAN, NAN, 6))
    np.testing.assert_array_equal(rates(times, totals), column(NAN, NAN, NAN, NAN, 2))


def test_a_rate_is_per_second_between_the_known_values() -> None:
    totals = np.array([[NAN, 0], [10, 50], [40, 100], [5, NAN]])
    times = np.array([0.0, 10, 20, 30])
    assert rate(times, totals).tolist() == [(30 + 5) / 20, 100 / 20]


@pytest.mark.parametrize("totals", [column(), column(NAN), column(3), column(NAN, 3)])
def test_with_fewer_than_two_known_values_growth_is_unknown(totals: np.ndarray) -> None:
    assert np.isnan(increase(totals)).all()
    assert np.isnan(rate(np.arange(len(totals), dtype=float), totals)).all()


def test_a_large_counter_still_counts_single_events() -> None:
    assert increase(column(2.0**50, 2.0**50 + 1)) == 1


@given(st.lists(st.integers(0, 1000), min_size=2), st.data())
def test_growth_does_not_depend_on_where_a_window_is_cut(counts: list[int], data: st.DataObject):
    totals = np.cumsum(counts, dtype=np.float64)[:, None]
    cut = data.draw(st.integers(1, len(counts) - 1))
    parts = [increase(part)[0] for part in (totals[:cut], totals[cut - 1 :])]
    assert np.nansum(parts) == increase(totals)[0] == sum(counts[1:])
