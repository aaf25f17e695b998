"""Histograms: buckets, percentiles within their error, merging, bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from phoenixctl.metrics.histogram import (
    ERROR,
    Histograms,
    buckets,
    histograms,
    merged,
    middles,
    moved,
    pack,
    unpack,
    with_ends,
    without_ends,
)
from phoenixctl.metrics.rank import rank

ROWS = 3
VALUES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 30), st.just(ROWS)),
    elements=st.floats(width=32, allow_infinity=False) | st.sampled_from([0.0, 1.0, 2.5, -2.5]),
)


def of(values: np.ndarray) -> Histograms:
    row = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return histograms(values.ravel(), row.ravel(), values.shape[1])


def entries(histogram: Histograms) -> list[tuple[int, int, int]]:
    columns = (histogram.row, histogram.numbers, histogram.counts)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("exponent", [-100, -1, 0, 1, 20, 120])
def test_a_bucket_ends_a_256th_of_a_doubling_above_its_beginning(exponent: int) -> None:
    values = np.exp2(exponent + np.arange(0, 1, 1 / 999)).astype(np.float32)
    middle = middles(buckets(values))
    assert (values.astype(float) > middle * 2 ** (-1 / 512) * (1 - 1e-12)).all()
    assert (values.astype(float) <= middle * 2 ** (1 / 512) * (1 + 1e-12)).all()
    assert len(set(buckets(values).tolist())) == 257  # and the one that the power of two ends


def test_powers_of_two_end_their_bucket_as_in_prometheus() -> None:
    just_above = np.nextafter(np.float32(8), np.float32(9))
    assert np.diff(buckets(np.array([8, just_above]))).tolist() == [1]


def test_buckets_are_in_the_order_of_their_values() -> None:
    values = np.array([-np.inf, -1e300, -3, -1, -1e-30, 0, 1e-30, 1, 3, 1e300, np.inf])
    numbers = buckets(values)
    assert (np.diff(numbers) >= 0).all()
    assert (numbers == -numbers[::-1]).all()
    assert middles(buckets(np.array([0.0, -0.0, 1e-44]))).tolist() == [0, 0, 0]


def lognormal(rng: np.random.Generator) -> np.ndarray:
    return rng.lognormal(-3, 1.5, size=(20_000, ROWS))


def bimodal(rng: np.random.Generator) -> np.ndarray:
    slow = rng.random((20_000, ROWS)) < 0.3
    return np.where(slow, rng.normal(2, 0.1, slow.shape), rng.normal(0.02, 0.001, slow.shape))


@pytest.mark.parametrize("draw", [lognormal, bimodal])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), percentile=st.integers(1, 100))
def test_percentiles_are_within_half_a_percent_of_exact(draw, seed: int, percentile: int) -> None:
    values = draw(np.random.default_rng(seed))
    place = rank(np.array([len(values)]), percentile)[0] - 1
    exact = np.partition(values, place, axis=0)[place]
    off = np.abs(of(values).percentile(percentile) / exact - 1)
    assert off.max() <= ERROR + 1e-6 < 0.005


@settings(max_examples=40, deadline=None)
@given(VALUES, VALUES, VALUES)
def test_merging_is_associative_and_commutative(
    first: np.ndarray, second: np.ndarray, third: np.ndarray
) -> None:
    a, b, c = of(first), of(second), of(third)
    whole = entries(of(np.concatenate([first, second, third])))
    assert entries(merged([merged([a, b]), c])) == whole
    assert entries(merged([a, merged([b, c])])) == whole
    assert entries(merged([c, a, b])) == whole


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_what_was_packed_is_unpacked(values: np.ndarray) -> None:
    histogram = of(values)
    back = unpack(pack(histogram))
    assert entries(back) == entries(histogram)
    assert back.starts.tolist() == histogram.starts.tolist()


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_the_ends_can_be_taken_off_and_given_back(values: np.ndarray) -> None:
    ordered = np.sort(values, axis=0)  # NaN last
    count = np.count_nonzero(~np.isnan(ordered), axis=0)
    nothing = np.full((1, ROWS), np.nan, np.float32)
    padded = np.concatenate([ordered, nothing])
    low = padded[0]
    high = np.where(count > 1, padded[np.maximum(count - 1, 0), np.arange(ROWS)], np.nan)
    assert entries(with_ends(without_ends(of(values)), low, high)) == entries(of(values))


def test_a_count_is_of_each_row_and_so_is_nothing() -> None:
    histogram = of(np.array([[1, np.nan], [1, np.nan], [5, np.nan]]))
    assert histogram.count.tolist() == [3, 0]
    np.testing.assert_array_equal(
        histogram.percentile(50), [middles(buckets(np.ones(1)))[0], np.nan]
    )
    assert np.isnan(of(np.empty((0, 2))).percentile(95)).all()


def test_rows_that_are_moved_to_one_row_are_added_up() -> None:
    histogram = of(np.array([[1.0, 1, 2]]))
    both = moved(histogram, np.array([1, 1, 0]), 2)
    assert entries(both) == entries(of(np.array([[2.0, 1], [np.nan, 1]])))


def test_counts_too_large_to_be_sorted_with_their_buckets_are_merged_too() -> None:
    one = of(np.array([[1.0]]))
    many = Histograms(one.starts, one.numbers, one.counts * 2**40)
    assert merged([many, many, one]).counts.tolist() == [2**41 + 1]


def test_very_many_entries_are_merged_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [of(np.random.default_rng(number).lognormal(size=(50, ROWS))) for number in range(9)]
    whole = entries(merged(parts))
    monkeypatch.setattr("phoenixctl.metrics.histogram._AT_ONCE", 300)
    assert entries(merged(parts)) == whole


def test_a_hundred_thousand_values_take_few_buckets() -> None:
    values = np.random.default_rng(3).lognormal(size=(100_000, 1))
    histogram = of(values)
    assert histogram.count[0] == 100_000
    assert len(pack(histogram)) < 4000
    assert math.isclose(histogram.percentile(50)[0], 1, rel_tol=0.02)


@given(st.data())
def test_bytes_that_are_not_whole_are_refused(data: st.DataObject) -> None:
    content = pack(of(np.arange(1.0, 61).reshape(20, ROWS)))
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(ValueError, match="not whole"):
        unpack(content[:cut])
