"""A real VictoriaMetrics instead of the Prometheus; it keeps 12 digits of a value."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from phoenixctl.metrics.series import Tier
from phoenixctl.model.measuring import PrometheusStore
from phoenixctl.store.metrics import SqliteMetrics
from phoenixctl.store.prometheus.metrics import PrometheusMetrics
from tests.conformance.test_prometheus import KINDS, NOON, TICKS, UNTIL, tick
from tests.needs import program
from tests.prometheus import RealClock
from tests.sshd import free_port

Both = tuple[SqliteMetrics, PrometheusMetrics]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("victoria"), free_port()
    words = [
        program("victoria-metrics"),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={folder / 'data'}",
        "-memory.allowedBytes=64MB",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _until_up(f"http://127.0.0.1:{port}", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"victoria-metrics is not up: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def both(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    settings = PrometheusStore(f"{server}/api/v1/write", server)
    with (
        SqliteMetrics(tmp_path_factory.mktemp("file")) as file,
        closing(PrometheusMetrics(settings, "shop", lambda _: "", RealClock())) as remote,
    ):
        for number in range(TICKS):
            file.write(tick(number))
            remote.write(tick(number))
        # Else it shows samples a little later.
        with urllib.request.urlopen(f"{server}/internal/force_flush", timeout=10):
            pass
        yield file, remote


@pytest.mark.parametrize("metric", KINDS)
@pytest.mark.parametrize("tier", [Tier.SECOND, Tier.MINUTE])
def test_samples_and_minutes_come_back(both: Both, metric: str, tier: Tier) -> None:
    file, remote = (store.read(metric, start=NOON, until=UNTIL, tier=tier) for store in both)
    np.testing.assert_array_equal(remote.times, file.times)
    order = [file.subjects.index(subject) for subject in remote.subjects]
    np.testing.assert_allclose(remote.values, file.values[:, order], rtol=1e-6)


def test_what_is_there_and_what_was_last_is_as_in_the_file(both: Both) -> None:
    file, remote = both
    assert file.series().keys() <= remote.series().keys()
    found, wanted = (store.latest(since=UNTIL - 6) for store in (remote, file))
    for metric in KINDS:
        assert found[metric] == pytest.approx(wanted[metric], rel=1e-9)
