"""What every store of metrics that rolls up has to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from phoenixctl.metrics.digest import digests
from phoenixctl.metrics.histogram import ERROR
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch, Tier
from phoenixctl.metrics.windows import statistics
from phoenixctl.ports.metrics import MetricStore
from phoenixctl.store.metrics import SqliteMetrics

KINDS: dict[str, Callable[[Path], MetricStore]] = {"sqlite": SqliteMetrics}
NOON = 1_800_000_000.0  # an hour begins
COARSE = (Tier.MINUTE, Tier.FIVE_MINUTES, Tier.HOUR)
NAN = float("nan")


@pytest.fixture(params=list(KINDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetricStore]:
    found = KINDS[request.param](tmp_path)
    yield found
    found.close()


def keep(store: MetricStore, at: float, values: dict[str, float], kind: Kind = Kind.GAUGE) -> None:
    column = np.array(list(values.values()), np.float64)
    store.write(Batch(NOON + at, tuple(values), {"m": column}, {"m": kind}))


def of_hour(store: MetricStore, tier: Tier) -> tuple[list[float], dict[str, list[float]]]:
    """Times since noon, and by subject the sums of the buckets."""
    found = store.digests("m", start=NOON, until=NOON + 3600, tier=tier)
    times = (found.times - NOON).tolist()
    return times, dict(zip(found.subjects, found.total.T.tolist(), strict=True))


def seconds(store: MetricStore, values: np.ndarray, *, every: float = 10) -> None:
    names = tuple(f"n{number}" for number in range(values.shape[1]))
    for number, row in enumerate(values):
        store.write(Batch(NOON + number * every, names, {"m": row}))


@pytest.mark.parametrize("tier", COARSE)
def test_a_roll_up_has_the_statistics_of_what_was_written(store: MetricStore, tier: Tier) -> None:
    values = np.random.default_rng(5).lognormal(size=(360, 7)).astype(np.float32)
    values[np.random.default_rng(6).random(values.shape) < 0.1] = NAN
    seconds(store, values)
    assert store.rollup(now=NOON + 3600) == 60 + 12 + 1
    found = store.digests("m", start=NOON, until=NOON + 3600, tier=tier)
    width = tier.resolution_seconds // 10
    for number in range(len(found.times)):
        exact = statistics(values[number * width : (number + 1) * width])
        np.testing.assert_array_equal(found.count[number], exact.count)
        np.testing.assert_array_equal(found.digests[number].low, exact.low)
        np.testing.assert_array_equal(found.digests[number].high, exact.high)
        np.testing.assert_allclose(found.total[number], np.nan_to_num(exact.total), rtol=1e-12)
    whole, exact = found.whole(), statistics(values)
    for percentile, values_of in exact.percentiles.items():
        np.testing.assert_allclose(whole.percentile(percentile), values_of, rtol=ERROR * 1.01)
    np.testing.assert_allclose(whole.mean, exact.mean)


def test_only_what_is_over_is_rolled_up_and_only_once(store: MetricStore) -> None:
    for at in (0, 30, 59.9, 60):
        keep(store, at, {"a": 1})
    assert store.rollup(now=NOON + 59.9) == 0
    assert store.rollup(now=NOON + 60) == 1
    assert store.rollup(now=NOON + 60) == 0
    assert store.series(Tier.MINUTE) == {"m": ("a",)}
    assert store.series(Tier.FIVE_MINUTES) == {}


@pytest.mark.parametrize("tier", COARSE)
def test_what_is_not_rolled_up_yet_is_read_all_the_same(store: MetricStore, tier: Tier) -> None:
    for at in range(0, 1000, 20):
        keep(store, at, {"a": 1})
    before = of_hour(store, tier)
    assert sum(before[1]["a"]) == 50
    store.rollup(now=NOON + 700)
    assert of_hour(store, tier) == before
    store.rollup(now=NOON + 7200)
    assert of_hour(store, tier) == before


@pytest.mark.parametrize("tier", COARSE)
def test_what_comes_late_is_taken_in(store: MetricStore, tier: Tier) -> None:
    keep(store, 10, {"a": 1})
    store.rollup(now=NOON + 7200)
    keep(store, 20, {"a": 2})
    keep(store, 10, {"b": 5})
    keep(store, 10, {"a": 3})  # instead of the 1
    assert of_hour(store, tier) == ([0], {"a": [5], "b": [5]})
    assert store.rollup(now=NOON + 7200) == 3
    assert of_hour(store, tier) == ([0], {"a": [5], "b": [5]})


def test_what_comes_after_the_first_tier_has_forgotten_its_time_changes_no_roll_up(
    store: MetricStore,
) -> None:
    keep(store, 10, {"a": 1})
    assert store.forget(now=NOON + 10 * 3600) == 1
    keep(store, 20, {"a": 2})
    assert store.rollup(now=NOON + 10 * 3600) == 0
    assert of_hour(store, Tier.HOUR) == ([0], {"a": [1]})


def test_nothing_is_forgotten_before_it_is_rolled_up(store: MetricStore) -> None:
    keep(store, 10, {"a": 1})
    for tier, hours in zip(COARSE, (7 * 24 + 1, 30 * 24 + 1, 365 * 24 + 1), strict=True):
        store.forget(now=NOON + 3600 * hours - 7200)
        assert of_hour(store, tier) == ([0], {"a": [1]})
        store.forget(now=NOON + 3600 * hours)
        assert store.series(tier) == {}
    assert store.kinds() == {}


@pytest.mark.parametrize("tier", COARSE)
def test_a_counter_keeps_by_how_much_it_grew(store: MetricStore, tier: Tier) -> None:
    large = 2.0**50
    totals = [large + number for number in range(0, 3600, 10)]
    for number, total in enumerate(totals):
        keep(store, number * 10, {"a": total}, Kind.COUNTER)
    store.rollup(now=NOON + 3600)
    found = of_hour(store, tier)[1]["a"]
    assert found[0] == tier.resolution_seconds - 10  # before the first value nothing is known
    assert found[1:] == [tier.resolution_seconds] * (len(found) - 1)
    speed = store.digests("m", start=NOON, until=NOON + 3600, tier=tier).whole()
    assert (speed.low[0], speed.percentile(95)[0], speed.high[0]) == (1, 1, 1)
    assert store.kinds() == {"m": Kind.COUNTER}


def test_a_counter_that_began_anew_grew_by_what_it_shows(store: MetricStore) -> None:
    for at, total in ((0, 100), (50, 110), (70, 4), (100, 6)):
        keep(store, at, {"a": total}, Kind.COUNTER)
    assert of_hour(store, Tier.MINUTE) == ([0, 60], {"a": [10, 6]})


def test_a_late_total_moves_the_growth_to_the_minute_it_was_in(store: MetricStore) -> None:
    for at, total in ((0, 100), (130, 150)):
        keep(store, at, {"a": total}, Kind.COUNTER)
    store.rollup(now=NOON + 7200)
    assert of_hour(store, Tier.MINUTE) == ([120], {"a": [50]})
    keep(store, 70, {"a": 140}, Kind.COUNTER)
    store.rollup(now=NOON + 7200)
    assert of_hour(store, Tier.MINUTE) == ([60, 120], {"a": [40, 10]})


def test_a_late_total_makes_the_growth_after_it_known(store: MetricStore) -> None:
    keep(store, 130, {"a": 150}, Kind.COUNTER)
    store.rollup(now=NOON + 7200)
    assert of_hour(store, Tier.MINUTE) == ([], {})
    keep(store, 0, {"a": 100}, Kind.COUNTER)
    store.rollup(now=NOON + 7200)
    assert of_hour(store, Tier.MINUTE) == ([120], {"a": [50]})


def test_the_growth_over_more_than_an_hour_is_unknown(store: MetricStore) -> None:
    for at, total in ((-7000, 100), (-3590, 150), (0, 151), (3670, 160)):
        keep(store, at, {"a": total}, Kind.COUNTER)
    assert of_hour(store, Tier.MINUTE) == ([0], {"a": [1]})
    store.rollup(now=NOON + 7200)
    assert store.read("m", start=NOON - 7200, until=NOON + 7200, tier=Tier.MINUTE).times.size == 2


def test_subjects_that_come_and_go_are_in_one_roll_up(store: MetricStore) -> None:
    keep(store, 0, {"b": 1, "a": 2})
    keep(store, 10, {"c": 4, "b": 8})
    store.rollup(now=NOON + 3600)
    found = store.digests("m", start=NOON, until=NOON + 60, tier=Tier.MINUTE)
    assert found.subjects == ("a", "b", "c")
    assert found.total.tolist() == [[2, 9, 4]]
    assert found.count.tolist() == [[1, 2, 1]]


def test_what_was_observed_in_a_tick_is_kept_as_a_digest(store: MetricStore) -> None:
    observed = np.random.default_rng(1).lognormal(size=(2, 1000, 1))
    for number, values in enumerate(observed):
        one = {"m": digests(values)}
        store.write(Batch(NOON + 10 * number, ("a",), {}, {"m": Kind.TIMER}, one))
    exact = statistics(observed.reshape(-1, 1))
    store.rollup(now=NOON + 3600)
    for tier in Tier:
        whole = store.digests("m", start=NOON, until=NOON + 60, tier=tier).whole()
        assert whole.count[0] == 2000
        np.testing.assert_allclose(whole.percentile(95), exact.percentiles[95], rtol=ERROR * 1.01)
    means = store.read("m", start=NOON, until=NOON + 60)
    np.testing.assert_allclose(means.values, observed.mean(axis=1), rtol=1e-6)
    assert store.kinds() == {"m": Kind.TIMER}
    assert store.series() == {"m": ("a",)}


def test_a_coarse_tier_is_read_as_means_from_the_bucket_of_the_start_on(store: MetricStore) -> None:
    for at, value in ((0, 1), (30, 3), (60, 8), (120, NAN), (180, 5)):
        keep(store, at, {"a": value, "b": 1})
    for _ in range(2):  # rolled up or not
        found = store.read("m", start=NOON + 30, until=NOON + 180, tier=Tier.MINUTE)
        assert (found.times - NOON).tolist() == [0, 60, 120]
        np.testing.assert_array_equal(found.values[:, 0], [2, 8, NAN])
        store.rollup(now=NOON + 3600)


def test_a_counter_is_read_in_a_coarse_tier_as_its_growth_so_far(store: MetricStore) -> None:
    for at, total in ((0, 5), (70, 10), (130, 2), (200, 7)):
        keep(store, at, {"a": total}, Kind.COUNTER)
    for _ in range(2):
        found = store.read("m", start=NOON, until=NOON + 3600, tier=Tier.MINUTE)
        assert (found.times - NOON).tolist() == [60, 120, 180]
        assert found.values[:, 0].tolist() == [5, 7, 12]
        store.rollup(now=NOON + 3600)


def test_a_metric_stays_of_the_kind_that_was_said_last(store: MetricStore) -> None:
    values = np.ones(1)
    store.write(Batch(NOON, ("a",), {"m": values, "g": values}, {"m": Kind.COUNTER}))
    store.write(Batch(NOON + 1, ("a",), {"m": values}))
    assert store.kinds() == {"g": Kind.GAUGE, "m": Kind.COUNTER}
    store.write(Batch(NOON + 2, ("a",), {"m": values}, {"m": Kind.GAUGE}))
    assert store.kinds()["m"] is Kind.GAUGE
    assert store.read("m", start=NOON, until=NOON + 9).values.tolist() == [[1], [1], [1]]


def test_of_a_metric_that_was_never_written_there_is_no_digest(store: MetricStore) -> None:
    found = store.digests("m", start=NOON, until=NOON + 60, tier=Tier.MINUTE)
    assert (found.times.size, found.subjects, found.whole().rows) == (0, (), 0)
