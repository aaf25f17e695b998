"""The library for programs that measure themselves."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from phoenixctl.measure import Metrics
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Tier
from phoenixctl.store.metrics import SqliteMetrics

ADDING = """
import sys
from phoenixctl.measure import Metrics
metrics = Metrics(sys.argv[1])
for _ in range(20):
    metrics.increment("mails_total", kind="bounce")
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "phoenixctl.yaml"
    path.write_text("fleet: {name: f}\nnodes: [{name: web-1}]\n")
    return path


def store(config: Path) -> SqliteMetrics:
    return SqliteMetrics(config.parent / "state" / "phoenixctl" / "f")


def last(config: Path, metric: str, subject: str = "*") -> float:
    with store(config) as kept:
        return kept.latest(since=time.time() - 60)[metric][subject]


def test_values_are_the_fleets_or_a_nodes_or_an_agents(config: Path) -> None:
    Metrics(config).record("depth", 7)
    Metrics(config, node="web-1").record("depth", 8, queue="mail", name="x")
    Metrics(str(config), node="web-1", agent="ingest-0").record("depth", -9.5)
    assert last(config, "depth") == 7
    assert last(config, 'depth{name="x",queue="mail"}', "web-1") == 8
    assert last(config, "depth", "web-1/ingest-0") == -9.5


def test_nothing_is_lost_between_threads_and_processes(config: Path) -> None:
    words = [sys.executable, "-c", ADDING, str(config)]
    others = [subprocess.Popen(words) for _ in range(2)]
    metrics = Metrics(config)
    threads = [
        threading.Thread(
            target=lambda: [metrics.increment("mails_total", 2, kind="bounce") for _ in range(10)]
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in others] == [0, 0]
    assert last(config, 'mails_total{kind="bounce"}') == 2 * 20 + 2 * 10 * 2


def test_blocks_and_functions_are_timed_also_when_they_fail(config: Path) -> None:
    metrics = Metrics(config)

    @metrics.time("call_seconds", path="/a")
    def call(fails: bool) -> str:
        if fails:
            raise LookupError("no")
        return "done"

    assert call(False) == "done"
    assert call(False) == "done"
    with pytest.raises(LookupError):
        call(True)
    with metrics.time("block_seconds"):
        time.sleep(0.01)
    with store(config) as kept:
        kinds = kept.kinds()

        def count(metric: str) -> list[int]:
            now = time.time()
            rolled = kept.digests(metric, start=now - 60, until=now + 1, tier=Tier.SECOND)
            return rolled.whole().count.tolist()

        assert count('call_seconds{path="/a"}') == [2]
        assert count('call_seconds{error="true",path="/a"}') == [1]
    assert kinds["block_seconds"] is Kind.TIMER
    assert last(config, "block_seconds") >= 0.01


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_value_is_refused(config: Path, value: float) -> None:
    with pytest.raises(ValueError, match="is no value of a gauge"):
        Metrics(config).record("depth", value)


def test_what_cannot_be_named_is_refused(config: Path) -> None:
    with pytest.raises(ValueError, match="is no value of a counter"):
        Metrics(config).increment("mails_total", -1)
    with pytest.raises(ValueError, match="no name of a metric"):
        Metrics(config).record("9lives", 1)
    with pytest.raises(ValueError, match="an agent is on a node"):
        Metrics(config, agent="ingest-0")
    with pytest.raises(ValueError, match="is not a node name"):
        Metrics(config, node="*")
