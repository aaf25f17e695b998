"""Digests: exact count, sum and ends; merging; bytes; rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from phoenixctl.metrics.digest import (
    Digests,
    digest,
    digests,
    merged_digests,
    moved_digests,
    pack_digests,
    together,
    unpack_digests,
)
from phoenixctl.metrics.histogram import ERROR
from phoenixctl.metrics.windows import statistics

ROWS = 3
# Whole numbers, so that sums are the same in any order.
WHOLE = arrays.arrays(
    np.float64,
    st.tuples(st.integers(0, 20), st.just(ROWS)),
    elements=st.integers(-(2**20), 2**20).map(float) | st.just(float("nan")),
)


def told(part: Digests) -> list[object]:
    entries = (part.histograms.starts, part.histograms.numbers, part.histograms.counts)
    return [
        str(array.tolist()) for array in (part.count, part.total, part.low, part.high, *entries)
    ]


@settings(max_examples=40, deadline=None)
@given(WHOLE, WHOLE, WHOLE)
def test_merging_is_associative_and_commutative(
    first: np.ndarray, second: np.ndarray, third: np.ndarray
) -> None:
    a, b, c = digests(first), digests(second), digests(third)
    whole = told(digests(np.concatenate([first, second, third])))
    assert told(merged_digests([merged_digests([a, b]), c])) == whole
    assert told(merged_digests([a, merged_digests([b, c])])) == whole
    assert told(merged_digests([c, b, a])) == whole


@settings(max_examples=40, deadline=None)
@given(WHOLE)
def test_a_digest_has_the_statistics_of_its_values(values: np.ndarray) -> None:
    found, exact = digests(values), statistics(values, [50, 95])
    np.testing.assert_array_equal(found.count, exact.count)
    np.testing.assert_array_equal(found.low, exact.low)
    np.testing.assert_array_equal(found.high, exact.high)
    np.testing.assert_array_equal(found.mean, exact.mean)
    for percentile in (50, 95):
        np.testing.assert_allclose(
            found.percentile(percentile), exact.percentiles[percentile], rtol=ERROR * 1.001
        )


@settings(max_examples=40, deadline=None)
@given(WHOLE)
def test_what_was_packed_is_unpacked(values: np.ndarray) -> None:
    part = digests(values)
    assert told(unpack_digests(*pack_digests(part), ROWS)) == told(part)


def test_the_ends_are_exact_where_their_buckets_are_not() -> None:
    found = digest([1.001, 1.002, 5.5])
    assert found.percentile(1)[0] == np.float32(1.001)
    assert found.percentile(100)[0] == 5.5
    assert digest([7.25]).percentile(50)[0] == 7.25


def test_rows_are_chosen_moved_and_taken_together() -> None:
    part = digests(np.array([[1.0, 10, 100], [2, 20, np.nan]]))
    assert told(part.of_rows(np.array([2, 0]))) == told(
        digests(np.array([[100.0, 1], [np.nan, 2]]))
    )
    assert told(part.of_rows(np.array([1]))) == told(digest([10, 20]))
    spread = moved_digests(part, np.array([3, 0, 1]), 4)
    assert spread.count.tolist() == [2, 1, 0, 2]
    assert np.isnan(spread.low[2])
    assert told(together(part)) == told(digest([1, 10, 100, 2, 20]))


def test_values_beyond_float32_are_infinite_and_still_counted() -> None:
    found = digest([1e300, -1e300, 1e300])
    assert (found.count[0], found.high[0], found.low[0]) == (3, np.inf, -np.inf)
    both = merged_digests([digest([np.inf]), digest([-np.inf])])
    assert (both.count[0], np.isnan(both.total[0])) == (2, True)
    assert told(unpack_digests(*pack_digests(found), 1)) == told(found)


@given(st.data())
def test_bytes_that_are_not_whole_are_refused(data: st.DataObject) -> None:
    moments, content = pack_digests(digests(np.arange(1.0, 61).reshape(20, ROWS)))
    cut = data.draw(st.integers(0, len(moments) - 1))
    with pytest.raises(ValueError, match="not whole"):
        unpack_digests(moments[:cut], content, ROWS)
    with pytest.raises(ValueError):
        unpack_digests(moments, content, ROWS + 1)
