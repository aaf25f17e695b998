"""What every store of metrics has to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from phoenixctl.metrics.rollup import GAP_SECONDS
from phoenixctl.metrics.series import Batch, Tier
from phoenixctl.ports.metrics import MetricStore
from phoenixctl.store.metrics import SqliteMetrics

KINDS: dict[str, Callable[[Path], MetricStore]] = {"sqlite": SqliteMetrics}
NOON = 1_800_000_000.0


@pytest.fixture(params=list(KINDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetricStore]:
    found = KINDS[request.param](tmp_path)
    yield found
    found.close()


def batch(at: float, cpu: dict[str, float], metric: str = "cpu") -> Batch:
    return Batch(at, tuple(cpu), {metric: np.array(list(cpu.values()), np.float32)})


def read(store: MetricStore, **window: float) -> tuple[list[float], tuple[str, ...], list[object]]:
    found = store.read("cpu", start=window.get("start", 0), until=window.get("until", 2 * NOON))
    return found.times.tolist(), found.subjects, found.values.tolist()


def test_what_was_written_is_read_in_the_order_of_time(store: MetricStore) -> None:
    store.write(batch(NOON + 1.25, {"b": 3, "a": 4}))
    store.write(batch(NOON, {"b": 1, "a": 2}))
    assert read(store) == ([NOON, NOON + 1.25], ("b", "a"), [[1, 2], [3, 4]])


def test_a_range_has_its_start_and_not_its_end(store: MetricStore) -> None:
    for second in range(4):
        store.write(batch(NOON + second, {"a": second}))
    assert read(store, start=NOON + 1, until=NOON + 3)[0] == [NOON + 1, NOON + 2]


def test_a_subject_that_came_later_was_unknown_before(store: MetricStore) -> None:
    store.write(batch(NOON, {"b": 1}))
    store.write(batch(NOON + 1, {"c": 3, "b": 2}))
    times, subjects, values = read(store)
    assert (times, subjects) == ([NOON, NOON + 1], ("b", "c"))
    np.testing.assert_array_equal(values, [[1, np.nan], [2, 3]])


def test_pools_that_are_written_apart_are_read_as_one(store: MetricStore) -> None:
    store.write(batch(NOON, {"b": 1, "x": float("nan")}))
    store.write(batch(NOON, {"x": 2, "a": 3}))
    assert read(store) == ([NOON], ("a", "b", "x"), [[3, 1, 2]])


def test_a_batch_that_is_written_again_is_there_once(store: MetricStore) -> None:
    store.write(batch(NOON, {"a": 1}))
    store.write(batch(NOON, {"a": 2}))
    assert read(store) == ([NOON], ("a",), [[2]])


def test_of_a_metric_that_was_never_written_there_is_nothing(store: MetricStore) -> None:
    assert read(store) == ([], (), [])


def test_an_unknown_value_stays_unknown(store: MetricStore) -> None:
    store.write(batch(NOON, {"a": float("nan")}))
    np.testing.assert_array_equal(read(store)[2], [[np.nan]])


def test_series_are_listed_by_metric(store: MetricStore) -> None:
    store.write(batch(NOON, {"b": 1, "a": 1}))
    store.write(batch(NOON + 1, {"c": 1}))
    store.write(batch(NOON, {"a": 1}, "age"))
    assert store.series() == {"age": ("a",), "cpu": ("a", "b", "c")}
    assert list(store.series()) == ["age", "cpu"]
    assert store.series(Tier.HOUR) == {}


def test_the_latest_value_of_each_subject_is_found_without_those_before(store: MetricStore) -> None:
    store.write(batch(NOON, {"a": 1, "old": 7}))
    store.write(batch(NOON + 10, {"a": 2, "b": 3}))
    store.write(batch(NOON + 20, {"b": 4}))
    store.write(batch(NOON + 20, {"a": 9}, "age"))
    assert store.latest(since=NOON + 5) == {"age": {"a": 9}, "cpu": {"a": 2, "b": 4}}
    assert store.latest(since=NOON + 15) == {"age": {"a": 9}, "cpu": {"b": 4}}
    assert store.latest(since=NOON + 21) == {}


def test_what_is_unknown_now_has_no_latest_value(store: MetricStore) -> None:
    store.write(batch(NOON, {"a": 1, "b": 1}))
    store.write(batch(NOON + 1, {"a": float("nan"), "b": 2}))
    store.write(batch(NOON + 1, {"c": 3}))
    assert store.latest(since=NOON) == {"cpu": {"b": 2, "c": 3}}


def test_what_was_written_is_kept_for_two_hours_and_the_gap_that_counters_may_have(
    store: MetricStore,
) -> None:
    store.write(batch(NOON, {"a": 1}))
    store.write(batch(NOON + 1, {"b": 1}))
    kept = Tier.SECOND.kept_seconds + GAP_SECONDS
    assert store.forget(now=NOON + kept) == 0
    assert store.forget(now=NOON + kept + 1) == 1
    assert store.series() == {"cpu": ("b",)}


def test_what_was_forgotten_can_be_written_again(store: MetricStore) -> None:
    store.write(batch(NOON, {"a": 1}))
    assert store.forget(now=2 * NOON) == 1
    store.write(batch(NOON, {"a": 5}))
    assert read(store) == ([NOON], ("a",), [[5]])


def test_a_batch_has_one_value_for_each_subject_and_each_subject_once() -> None:
    with pytest.raises(ValueError, match="one value for each subject"):
        Batch(NOON, ("a", "b"), {"cpu": np.zeros(1, np.float32)})
    with pytest.raises(ValueError, match="twice"):
        Batch(NOON, ("a", "a"), {"cpu": np.zeros(2, np.float32)})
