"""A real Prometheus beside the file: the same is written to both, and the same comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phoenixctl.metrics.digest import digests
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch, Tier
from phoenixctl.model.errors import AuthenticationFailed, Refused
from phoenixctl.store.metrics import SqliteMetrics
from phoenixctl.store.prometheus.metrics import PrometheusMetrics
from tests.prometheus import RealClock, RunningPrometheus, running_prometheus

NOON = float(int(time.time()) // 60 * 60 - 1200)  # a minute begins
NODES = tuple(f"web-{number}" for number in range(20))
SUBJECTS = (*NODES, *(f"{node}/ingest-0" for node in NODES), "*")
TICKS = 40
REQUESTS = 'requests_total{code="200",path="/\\"ü\\""}'
KINDS = {"cpu": Kind.GAUGE, REQUESTS: Kind.COUNTER, "wait": Kind.TIMER}


def tick(number: int) -> Batch:
    """Every 5 s; now and then nothing is known of a node, and counters begin anew."""
    chance = np.random.default_rng(number)
    cpu = chance.lognormal(size=len(SUBJECTS)).astype(np.float32)
    cpu[chance.random(len(SUBJECTS)) < 0.1] = np.nan
    total = np.arange(len(SUBJECTS)) * 1e9 + (number % 25) * 3.0
    waited = digests(chance.lognormal(size=(50, len(SUBJECTS))))
    return Batch(
        NOON + 5 * number, SUBJECTS, {"cpu": cpu, REQUESTS: total}, KINDS, {"wait": waited}
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPrometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as found:
        yield found


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPrometheus]:
    """It wants a login, and samples in the order of time."""
    folder = tmp_path_factory.mktemp("strict")
    with running_prometheus(folder, login=True, late="0s") as found:
        yield found


@pytest.fixture(scope="module")
def both(
    server: RunningPrometheus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SqliteMetrics, PrometheusMetrics]]:
    with (
        SqliteMetrics(tmp_path_factory.mktemp("file")) as file,
        closing(server.store("shop")) as remote,
    ):
        for number in range(TICKS):
            file.write(tick(number))
            remote.write(tick(number))
        yield file, remote


UNTIL = NOON + 5 * TICKS


@pytest.mark.parametrize("metric", KINDS)
def test_every_sample_comes_back_as_it_was_sent(
    both: tuple[SqliteMetrics, PrometheusMetrics], metric: str
) -> None:
    file, remote = (store.read(metric, start=NOON + 7, until=UNTIL - 5) for store in both)
    assert file.times.size == TICKS - 3
    np.testing.assert_array_equal(remote.times, file.times)
    assert sorted(remote.subjects) == sorted(file.subjects)
    order = [file.subjects.index(subject) for subject in remote.subjects]
    np.testing.assert_array_equal(remote.values, file.values[:, order])


@pytest.mark.parametrize("metric", KINDS)
def test_minutes_are_those_that_the_file_rolls_up(
    both: tuple[SqliteMetrics, PrometheusMetrics], metric: str
) -> None:
    file, remote = (
        store.read(metric, start=NOON + 61, until=UNTIL, tier=Tier.MINUTE) for store in both
    )
    assert file.times.tolist() == [NOON + 60, NOON + 120, NOON + 180]
    np.testing.assert_array_equal(remote.times, file.times)
    order = [file.subjects.index(subject) for subject in remote.subjects]
    np.testing.assert_allclose(remote.values, file.values[:, order], rtol=1e-5)


@pytest.mark.parametrize("metric", ["cpu", REQUESTS])
@pytest.mark.parametrize("tier", [Tier.SECOND, Tier.MINUTE, Tier.HOUR])
def test_digests_are_those_of_the_file(
    both: tuple[SqliteMetrics, PrometheusMetrics], metric: str, tier: Tier
) -> None:
    file, remote = (store.digests(metric, start=NOON, until=UNTIL, tier=tier) for store in both)
    np.testing.assert_array_equal(remote.times, file.times)
    order = [file.subjects.index(subject) for subject in remote.subjects]
    np.testing.assert_array_equal(remote.count, file.count[:, order])
    np.testing.assert_allclose(remote.total, file.total[:, order], rtol=1e-5)
    for ours, theirs in zip(remote.digests, file.digests, strict=True):
        np.testing.assert_allclose(ours.percentile(95), theirs.percentile(95)[order], rtol=1e-5)


def test_what_is_there_and_what_was_last_is_as_in_the_file(
    both: tuple[SqliteMetrics, PrometheusMetrics],
) -> None:
    file, remote = both
    quantiles = {f'wait{{quantile="{q}"}}' for q in ("0.5", "0.95", "0.99")}
    listed = dict(remote.series())
    assert listed.keys() - quantiles == file.series().keys()
    assert listed["cpu"] == tuple(sorted(SUBJECTS))
    last = remote.latest(since=UNTIL - 6)
    assert {metric: last[metric] for metric in KINDS} == file.latest(since=UNTIL - 6)
    assert remote.kinds()[REQUESTS] is Kind.COUNTER


def test_promql_of_others_finds_them_by_fleet_node_and_agent(
    both: tuple[SqliteMetrics, PrometheusMetrics], server: RunningPrometheus
) -> None:
    values = both[0].read("cpu", start=NOON, until=UNTIL)
    found = server.values(
        f'avg_over_time(phoenix_cpu{{fleet="shop"}}[{5 * TICKS}s] @ {UNTIL - 1})', "node", "agent"
    )
    mean = dict(zip(values.subjects, np.nanmean(values.values, axis=0).tolist(), strict=True))
    assert {key: round(value, 4) for key, value in found.items()} == {
        ("", "") if name == "*" else (name.split("/")[0], "".join(name.split("/")[1:])): round(v, 4)
        for name, v in mean.items()
    }
    (p95,) = server.query(
        f'phoenix_wait{{node="web-3",agent="",quantile="0.95"}} @ {UNTIL - 5}'
    )  # an instant, so no mean of percentiles
    exact = tick(TICKS - 1).observed["wait"].percentile(95)[SUBJECTS.index("web-3")]
    assert float(p95["value"][1]) == pytest.approx(exact)


def test_fleets_do_not_see_each_other(server: RunningPrometheus) -> None:
    with closing(server.store("one")) as one, closing(server.store("other")) as other:
        one.write(Batch(NOON, ("a",), {"cpu": np.ones(1, np.float32)}))
        assert other.series() == {}
        assert other.read("cpu", start=NOON, until=NOON + 1).times.size == 0
        assert other.latest(since=NOON) == {}


def test_with_its_login_and_in_order_samples_are_taken(strict: RunningPrometheus) -> None:
    with closing(strict.store("f")) as store:
        store.write(Batch(NOON, ("a",), {"cpu": np.ones(1, np.float32)}))
        store.write(Batch(NOON, ("a",), {"cpu": np.ones(1, np.float32)}))  # as after a lost answer
        assert store.read("cpu", start=NOON, until=NOON + 1).values.tolist() == [[1]]
        with pytest.raises(Refused, match="400: out of order sample"):
            store.write(Batch(NOON - 1, ("a",), {"cpu": np.ones(1, np.float32)}))


def test_without_its_login_nothing_is_taken(strict: RunningPrometheus) -> None:
    settings = replace(strict.settings, user=None, password=None)
    store = PrometheusMetrics(settings, "f", lambda _: "", RealClock())
    with closing(store), pytest.raises(AuthenticationFailed, match="401"):
        store.write(Batch(NOON, ("a",), {"cpu": np.ones(1, np.float32)}))
    with closing(store), pytest.raises(AuthenticationFailed, match="401"):
        store.read("cpu", start=NOON, until=NOON + 1)


def test_a_query_that_the_server_will_not_answer_is_explained(server: RunningPrometheus) -> None:
    settings = replace(server.settings, query_url=f"{server.url}/nowhere")
    store = PrometheusMetrics(settings, "f", lambda _: "", RealClock())
    with closing(store), pytest.raises(Refused, match="404"):
        store.series()


def test_samples_need_the_receiver(server: RunningPrometheus, tmp_path: Path) -> None:
    settings = replace(server.settings, write_url=f"{server.url}/api/v1/push")
    store = PrometheusMetrics(settings, "f", lambda _: "", RealClock())
    with closing(store), pytest.raises(Refused, match="404") as caught:
        store.write(Batch(NOON, ("a",), {"cpu": np.ones(1, np.float32)}))
    assert "--web.enable-remote-write-receiver" in caught.value.hint
