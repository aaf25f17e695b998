"""Values that scripts keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch, Tier
from phoenixctl.store.metrics import SqliteMetrics
from phoenixctl.workflows.record import record


def kept(store: SqliteMetrics, metric: str) -> list[tuple[float, float]]:
    history = store.read(metric, start=0, until=10_000)
    return list(zip(history.times.tolist(), history.values[:, 0].tolist(), strict=True))


def test_a_counter_goes_on_from_where_it_was(tmp_path: Path) -> None:
    with SqliteMetrics(tmp_path) as store:
        for at, amount in ((1.0, 2.0), (60.0, 3.0), (61.5, 0.5)):
            record(store, "jobs_total", amount, kind=Kind.COUNTER, subject="*", at_seconds=at)
        assert kept(store, "jobs_total") == [(0.0, 0.0), (1.0, 2.0), (60.0, 5.0), (61.5, 5.5)]


def test_what_is_added_to_a_counter_seldom_is_in_its_roll_ups(tmp_path: Path) -> None:
    with SqliteMetrics(tmp_path) as store:
        for at, amount in ((100.0, 2.0), (2000.0, 3.0), (7000.0, 4.0)):
            record(store, "jobs_total", amount, kind=Kind.COUNTER, subject="*", at_seconds=at)
        store.rollup(now=20_000)
        for tier in (Tier.MINUTE, Tier.HOUR):
            whole = store.digests("jobs_total", start=0, until=10_000, tier=tier).whole()
            assert whole.total.tolist() == [9]


def test_two_within_a_millisecond_are_both_kept(tmp_path: Path) -> None:
    with SqliteMetrics(tmp_path) as store:
        for _ in range(3):
            record(store, "jobs_total", 1, kind=Kind.COUNTER, subject="*", at_seconds=5.0)
        assert kept(store, "jobs_total") == [
            (4.0, 0.0), (5.0, 1.0), (5.001, 2.0), (5.002, 3.0)
        ]  # fmt: skip


def test_each_subject_has_a_counter_of_its_own(tmp_path: Path) -> None:
    with SqliteMetrics(tmp_path) as store:
        store.write(Batch(1.0, ("a", "b"), {"jobs_total": np.array([7, np.nan], np.float32)}))
        assert record(store, "jobs_total", 1, kind=Kind.COUNTER, subject="a", at_seconds=2) == 8
        assert record(store, "jobs_total", 1, kind=Kind.COUNTER, subject="b", at_seconds=3) == 1


def test_a_gauge_is_what_was_said(tmp_path: Path) -> None:
    with SqliteMetrics(tmp_path) as store:
        record(store, "depth", 4, kind=Kind.GAUGE, subject="*", at_seconds=1)
        record(store, "depth", -2.5, kind=Kind.GAUGE, subject="*", at_seconds=2)
        assert kept(store, "depth") == [(1.0, 4.0), (2.0, -2.5)]


def test_every_observation_of_a_timer_counts(tmp_path: Path) -> None:
    with SqliteMetrics(tmp_path) as store:
        for seconds in (0.1, 0.3, 0.2):
            record(store, "run", seconds, kind=Kind.TIMER, subject="*", at_seconds=7.0)
        found = store.digests("run", start=0, until=60, tier=Tier.MINUTE).whole()
        assert found.count.tolist() == [3]
        assert float(found.high[0]) == np.float32(0.3)
        assert store.kinds() == {"run": Kind.TIMER}
