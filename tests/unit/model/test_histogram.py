"""Histograms: merged, compared over time, asked for quantiles."""

from __future__ import annotations

from itertools import accumulate
from math import inf, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.histogram import Histogram, merged
from tests.builders import histogram

BOUNDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    """Any histogram that a Prometheus client could give, over some of the usual bounds."""
    bounds = (*sorted(draw(st.sets(st.sampled_from(BOUNDS), min_size=1))), inf)
    size = len(bounds)
    each = draw(st.lists(st.integers(0, 50), min_size=size, max_size=size))
    total = float(draw(st.integers(1, 999))) if any(each) else 0.0
    return Histogram(bounds, tuple(map(float, accumulate(each))), total)


@given(histograms(), histograms(), histograms())
def test_merging_is_associative_and_does_not_care_about_order(
    a: Histogram, b: Histogram, c: Histogram
) -> None:
    def both(x: Histogram | None, y: Histogram | None) -> Histogram | None:
        return merged(h for h in (x, y) if h is not None)

    assert both(both(a, b), c) == both(a, both(b, c)) == merged([c, a, b])


@given(st.lists(histograms(), max_size=5))
def test_nothing_observed_is_lost_by_merging(parts: list[Histogram]) -> None:
    whole = merged(parts)
    assert (whole.count if whole else 0.0) == sum(h.count for h in parts)


@given(histograms(), st.floats(0.01, 1.0))
def test_a_quantile_lies_in_the_bucket_that_holds_its_rank(h: Histogram, q: float) -> None:
    value = h.quantile(q)
    if h.count == 0:
        assert value is None
        return
    rank = q * h.count
    index = next(i for i, count in enumerate(h.counts) if count >= rank)
    low = h.bounds[index - 1] if index else 0.0
    high = low if h.bounds[index] == inf else h.bounds[index]
    assert value is not None
    assert low <= value <= high * (1 + 1e-12)


@given(histograms(), st.floats(0.01, 1.0), st.floats(0.01, 1.0))
def test_a_higher_quantile_is_never_a_smaller_value(h: Histogram, p: float, q: float) -> None:
    low, high = h.quantile(min(p, q)), h.quantile(max(p, q))
    assert low is None or high is None or low <= high * (1 + 1e-12)


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    # 10 up to 1 s, 10 more up to 2 s: the median is the first bucket's end, p75 halfway on.
    h = histogram(10, 20, 20)
    assert h.quantile(0.5) == 1.0
    assert h.quantile(0.75) == 1.5
    assert h.quantile(1.0) == 2.0


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert histogram(1, 1, 10).quantile(0.95) == 2.0


def test_nothing_observed_has_neither_mean_nor_quantile() -> None:
    empty = histogram(0, 0)
    assert empty.mean() is None
    assert empty.quantile(0.95) is None
    assert merged([empty]) is None


@given(histograms(), histograms())
def test_what_came_since_is_what_was_added(earlier: Histogram, added: Histogram) -> None:
    later = merged([earlier, added])
    if later is None or not later.bounds == earlier.bounds == added.bounds:
        return
    assert later.since(earlier) == added


def test_a_restart_of_the_agent_makes_the_interval_unknown() -> None:
    assert histogram(1, 2).since(histogram(5, 9)) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((10, 10, 10), (2, 4, 11), id="a bucket went down"),
        pytest.param((5, 10, 10), (8, 11, 20), id="more up to 1 s than up to 2 s"),
    ],
)
def test_a_restart_that_has_overtaken_the_old_count_is_noticed_by_its_buckets(
    before: tuple[float, ...], after: tuple[float, ...]
) -> None:
    assert histogram(*after).since(histogram(*before)) is None


def test_other_buckets_make_the_interval_unknown() -> None:
    assert histogram(5, 9).since(histogram(1, 2, 3)) is None


def test_different_buckets_are_merged_over_the_bounds_in_common() -> None:
    a = histogram(1, 2, 3, bounds=(0.1, 0.5, inf), total=1.0)
    b = histogram(4, 6, bounds=(0.5, inf), total=2.0)
    assert merged([a, b]) == Histogram((0.5, inf), (6.0, 9.0), 3.0)


def test_the_mean_comes_from_the_sum() -> None:
    mean = histogram(10, 10, total=2.5).mean()
    assert mean is not None
    assert isclose(mean, 0.25)
