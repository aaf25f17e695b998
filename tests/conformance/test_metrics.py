"""What every store of metrics has to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rollup import GAP_SECONDS
from phoenixctl.metrics.series import Batch, Tier
from phoenixctl.ports.metrics import MetricStore
from phoenixctl.store.metrics import SqliteMetrics
from tests.prometheus import RunningPrometheus, running_prometheus

NOON = float(int(time.time()) - 600)  # no server takes samples of another time than ours


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPrometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as found:
        yield found


@pytest.fixture(params=["sqlite", "prometheus"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MetricStore]:
    found: MetricStore
    if request.param == "sqlite":
        found = SqliteMetrics(tmp_path)
    else:  # each test has a fleet of its own there
        found = request.getfixturevalue("server").store(f"fleet {request.node.name}")
    yield found
    found.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[MetricStore]:
    """For what no Prometheus does: see store.prometheus.metrics.PrometheusMetrics."""
    with SqliteMetrics(tmp_path) as found:
        yield found


def batch(at: float, cpu: dict[str, float], metric: str = "cpu") -> Batch:
    return Batch(at, tuple(cpu), {metric: np.array(list(cpu.values()), np.float32)})


def read(store: MetricStore, **window: float) -> tuple[list[float], tuple[str, ...], list[object]]:
    found = store.read("cpu", start=window.get("start", 0), until=window.get("until", 2 * NOON))
    return found.times.tolist(), found.subjects, found.values.tolist()


def test_what_was_written_is_read_in_the_order_of_time(store: MetricStore) -> None:
    store.write(batch(NOON + 1.25, {"b": 3, "a": 4}))
    store.write(batch(NOON, {"b": 1, "a": 2}))
    times, subjects, values = read(store)
    assert times == [NOON, NOON + 1.25]
    assert dict(zip(subjects, zip(*values, strict=True), strict=True)) == {"b": (1, 3), "a": (2, 4)}


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


def test_a_batch_that_is_written_again_is_there_once(embedded: MetricStore) -> None:
    embedded.write(batch(NOON, {"a": 1}))
    embedded.write(batch(NOON, {"a": 2}))
    assert read(embedded) == ([NOON], ("a",), [[2]])


def test_of_a_metric_that_was_never_written_there_is_nothing(store: MetricStore) -> None:
    assert read(store) == ([], (), [])


def test_an_unknown_value_stays_unknown(embedded: MetricStore) -> None:
    embedded.write(batch(NOON, {"a": float("nan")}))
    np.testing.assert_array_equal(read(embedded)[2], [[np.nan]])


def test_series_are_listed_by_metric(store: MetricStore) -> None:
    store.write(batch(NOON, {"b": 1, "a": 1}))
    store.write(batch(NOON + 1, {"c": 1}))
    store.write(batch(NOON, {"a": 1}, "age"))
    assert store.series() == {"age": ("a",), "cpu": ("a", "b", "c")}
    assert list(store.series()) == ["age", "cpu"]


def test_a_tier_has_series_when_they_are_rolled_up(embedded: MetricStore) -> None:
    embedded.write(batch(NOON, {"a": 1}))
    assert embedded.series(Tier.HOUR) == {}


def test_the_latest_value_of_each_subject_is_found_without_those_before(store: MetricStore) -> None:
    store.write(batch(NOON, {"a": 1, "old": 7}))
    store.write(batch(NOON + 10, {"a": 2, "b": 3}))
    store.write(batch(NOON + 20, {"b": 4}))
    store.write(batch(NOON + 20, {"a": 9}, "age"))
    assert store.latest(since=NOON + 5) == {"age": {"a": 9}, "cpu": {"a": 2, "b": 4}}
    assert store.latest(since=NOON + 15) == {"age": {"a": 9}, "cpu": {"b": 4}}
    assert store.latest(since=NOON + 21) == {}


def test_what_is_unknown_now_has_no_latest_value(embedded: MetricStore) -> None:
    embedded.write(batch(NOON, {"a": 1, "b": 1}))
    embedded.write(batch(NOON + 1, {"a": float("nan"), "b": 2}))
    embedded.write(batch(NOON + 1, {"c": 3}))
    assert embedded.latest(since=NOON) == {"cpu": {"b": 2, "c": 3}}


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (Kind.GAUGE, Tier.SECOND.kept_seconds),
        (Kind.COUNTER, Tier.SECOND.kept_seconds + GAP_SECONDS),  # from there it may have grown
    ],
)
def test_what_was_written_is_kept_for_its_time(
    embedded: MetricStore, kind: Kind, kept: float
) -> None:
    embedded.write(replace(batch(NOON, {"a": 1}), kinds={"cpu": kind}))
    embedded.write(batch(NOON + 1, {"b": 1}))
    assert embedded.forget(now=NOON + kept) == 0
    assert embedded.forget(now=NOON + kept + 1) == 1
    assert embedded.series() == {"cpu": ("b",)}


def test_what_was_forgotten_can_be_written_again(embedded: MetricStore) -> None:
    embedded.write(batch(NOON, {"a": 1}))
    assert embedded.forget(now=2 * NOON) == 1
    embedded.write(batch(NOON, {"a": 5}))
    assert read(embedded) == ([NOON], ("a",), [[5]])


def test_a_batch_has_one_value_for_each_subject_and_each_subject_once() -> None:
    with pytest.raises(ValueError, match="one value for each subject"):
        Batch(NOON, ("a", "b"), {"cpu": np.zeros(1, np.float32)})
    with pytest.raises(ValueError, match="twice"):
        Batch(NOON, ("a", "a"), {"cpu": np.zeros(2, np.float32)})
