"""What a pool's value is, of the values of its nodes."""

from __future__ import annotations

import numpy as np
import pytest

from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import History
from phoenixctl.scaling.measured import Fold, Present, fold_of, over_time, present

NODES = ("web-1", "web-2")


def history(subjects: tuple[str, ...], *rows: tuple[float, ...], every: float = 10.0) -> History:
    times = np.arange(len(rows)) * every
    return History(times, subjects, np.array(rows, np.float64).reshape(len(rows), len(subjects)))


@pytest.mark.parametrize(
    ("metric", "fold"),
    [
        ("cpu_utilization", Fold.MEAN), ("response_time_mean", Fold.MEAN), ("run_queue", Fold.MEAN),
        ("message_queue_length", Fold.SUM), ("throughput", Fold.SUM), ("network_sent", Fold.SUM),
        ('http_requests_total{code="200"}', Fold.SUM), ("lag_seconds", Fold.MEAN),
        ("rabbitmq_queue_messages", Fold.SUM), ("cache_hit_ratio", Fold.MEAN), ("{", Fold.SUM),
    ],
)  # fmt: skip
def test_what_adds_up_is_added_and_of_all_else_the_mean_is_taken(metric: str, fold: Fold) -> None:
    assert fold_of(metric) is fold


def test_only_the_pools_own_nodes_count_and_those_without_a_value_are_named() -> None:
    values = {"web-1": 0.9, "db-1": 0.1, "web-1/api-0": 0.2}
    assert present("cpu_utilization", values, NODES) == Present(0.9, ("web-2",))
    assert present("cpu_utilization", {**values, "web-2": 0.5}, NODES) == Present(0.7)
    assert present("throughput", {"web-1": 3.0, "web-2": 4.0}, NODES) == Present(7.0)


def test_what_nobody_has_is_unknown_and_not_nothing() -> None:
    assert present("cpu_utilization", {"db-1": 0.4}, NODES) == Present(None, NODES)
    assert present("throughput", {}, NODES).value is None


def test_agents_count_where_nodes_have_no_such_metric_and_else_the_fleet() -> None:
    agents = {"web-1/api-0": 3.0, "web-2/api-1": 4.0, "db-1/api-2": 9.0, "*": 100.0}
    assert present("queue_length", agents, NODES) == Present(7.0)
    assert present("orders_waiting", {"*": 100.0}, NODES) == Present(100.0)


def test_of_a_counter_the_growth_per_second_adds_up() -> None:
    found = history(("db-1", *NODES), (0, 0, 100), (0, 50, 120), (0, 70, 5))
    times, values = over_time("requests_total", found, Kind.COUNTER, NODES)
    assert times.tolist() == [0, 10, 20]
    np.testing.assert_allclose(values, [np.nan, 7.0, 2.5])  # web-2 has begun anew


def test_a_moment_of_which_little_is_known_is_not_known() -> None:
    nan = np.nan
    found = history(
        ("a", "b", "c", "d"), (1, 1, 1, 1), (1, nan, nan, nan), (1, 1, 1, nan), (nan,) * 4
    )
    _, values = over_time("throughput", found, Kind.GAUGE, None)
    np.testing.assert_allclose(values, [4, nan, 3, nan])


def test_without_any_value_there_are_no_times() -> None:
    times, values = over_time("cpu_utilization", history(()), Kind.GAUGE, NODES)
    assert (times.size, values.size) == (0, 0)
