"""`metrics serve`: a real Prometheus scrapes it, and the dashboard shows what it tells."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.metrics.alert_state import Hold, Phase, Standing
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch
from phoenixctl.model.plan import Plan
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.store.alerts import SqliteAlerts
from phoenixctl.store.local import LocalRecords
from phoenixctl.store.metrics import SqliteMetrics
from tests.conformance.record_story import ONE, SPECS, runs
from tests.prometheus import RunningPrometheus, running_prometheus

DASHBOARD = Path(__file__).parents[2] / "config" / "grafana-dashboard.json"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
NODES = ("web-1", "web-2")
AGENTS = tuple(f"{node}/ingest-0" for node in NODES)


def tick(at: float) -> tuple[Batch, ...]:
    """Everything that a collection keeps; cpu_utilization of web-2 is 0.7."""
    pair = np.array([0.5, 0.7])
    nodes = {"up": np.ones(2), **{metric.value: pair for metric in Metric}}
    agents = {"up": np.array([1.0, 0.0]), **{metric.value: pair * 4 for metric in AgentMetric}}
    fleet = {"agent_response_time_p95": np.array([0.1]), "message_throughput": np.array([9000.0])}
    return (
        Batch(at, NODES, nodes, {Metric.SCHEDULINGS.value: Kind.COUNTER}),
        Batch(at, AGENTS, agents),
        Batch(at, ("*",), fleet),
    )


def fill(state: Path, now: float) -> None:
    """What collections, an evaluation of alerts and an operation leave."""
    with SqliteMetrics(state) as metrics:
        for batch in (*tick(now - 3600), *tick(now)):
            metrics.write(batch)
    alerts = SqliteAlerts(state, SystemClock())
    critical = Standing(now, 0.97, {"critical": Hold(Phase.FIRING, now)})
    alerts.keep({("cpu", "web-2"): critical}, {}, (), now=now)
    alerts.close()

    async def change() -> None:
        async with LocalRecords(state, SystemClock(), "shop").changing("apply") as operation:
            await operation.open(Plan("apply", (ONE,)), SPECS)
            await operation.begin(ONE)
            await operation.end(ONE, outcome="ok", detail="it runs", patch=runs("web-1"))

    asyncio.run(change())


@dataclass(frozen=True)
class Serving:
    url: str
    state: Path

    def get(self, path: str = "/metrics", **headers: str) -> tuple[int, str, str]:
        """Status, type and text."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.headers["Content-Type"], reply.read().decode()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    root = tmp_path_factory.mktemp("serve")
    config, state = root / "phoenixctl.yaml", root / "state" / "phoenixctl" / "shop"
    config.write_text("fleet: {name: shop}\n")
    fill(state, time.time())
    environment = {
        **os.environ,
        "HOME": str(root),
        "XDG_STATE_HOME": str(root / "state"),
        "XDG_CACHE_HOME": str(root / "cache"),
    }
    words = [sys.executable, "-m", "phoenixctl", "metrics", "serve", "--config", str(config)]
    with subprocess.Popen(
        [*words, "--listen", "127.0.0.1:0", "--max-age", "30m", "-o", "json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Serving(_document(process)["url"], state)
        finally:
            process.terminate()
            process.wait(30)


def _document(process: subprocess.Popen[bytes]) -> Any:
    """The JSON that is written before the first scrape."""
    assert process.stdout is not None
    text, deadline = b"", time.monotonic() + 60
    while not text.endswith(b"}\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        piece = os.read(process.stdout.fileno(), 4096) if ready else b""
        if not piece:
            process.kill()
            raise AssertionError(f"it does not serve: {text!r} {process.communicate()[1]!r}")
        text += piece
    return json.loads(text)


@pytest.fixture(scope="module")
def scraped(
    serving: Serving, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningPrometheus]:
    """A Prometheus that has been there."""
    folder = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder, targets=[urlsplit(serving.url).netloc]) as found:
        deadline = time.monotonic() + 60
        while not found.query("phoenix_build_info"):
            assert time.monotonic() < deadline, found.query("up")
            time.sleep(0.1)
        yield found


def test_prometheus_scrapes_the_latest_values(scraped: RunningPrometheus) -> None:
    assert scraped.values("phoenix_cpu_utilization", "fleet", "node") == {
        ("shop", "web-1"): 0.5,
        ("shop", "web-2"): 0.7,
    }
    assert scraped.values("phoenix_up{agent!=''}", "node", "agent") == {
        ("web-1", "ingest-0"): 1,
        ("web-2", "ingest-0"): 0,
    }
    compliance = scraped.values("phoenix_target_compliance", "target")
    assert compliance == {("agent_response_time_p95",): 0.5, ("message_throughput",): 0.9}
    assert scraped.values("phoenix_alert", "rule", "node", "status") == {
        ("cpu", "web-2", "critical"): 1
    }
    assert scraped.values("phoenix_operation_steps", "id") == {("1",): 1}
    assert 0 <= scraped.values("phoenix_operation_duration_seconds", "id")[("1",)] < 60
    assert scraped.values("up", "job") == {("phoenix",): 1}


def expressions() -> dict[str, str]:
    """By the panel's title and letter; what Grafana would fill in is filled in."""
    board = json.loads(DASHBOARD.read_text())
    found = {
        f"{panel['title']}: {target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel["targets"]
    }
    found |= {note["name"]: note["expr"] for note in board["annotations"]["list"]}
    return {
        name: expression.replace("$fleet", "shop").replace("$node", ".*")
        for name, expression in found.items()
    }


@pytest.mark.parametrize("name", expressions())
def test_every_query_of_the_dashboard_finds_what_is_told(
    scraped: RunningPrometheus, serving: Serving, name: str
) -> None:
    expression = expressions()[name]
    assert "$" not in expression
    told = set(re.findall(r"^# TYPE (\S+)", serving.get()[2], re.M))
    assert set(re.findall(r"phoenix_\w+", expression)) <= told
    assert scraped.query(expression)


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert board["title"]
    assert [one["name"] for one in board["templating"]["list"]] == ["datasource", "fleet", "node"]
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (place["x"] + x, place["y"] + y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(set(cells)) == len(cells)  # no panel lies on another
    assert max(x for x, _ in cells) < 24


def test_openmetrics_and_the_older_text_are_told_to_those_who_ask_for_them(
    serving: Serving,
) -> None:
    status, kind, text = serving.get(Accept=OPENMETRICS)
    assert (status, kind.split(";")[0]) == (200, "application/openmetrics-text")
    assert text.endswith("# EOF\n")
    status, kind, text = serving.get()
    assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "# EOF" not in text


def test_only_the_metrics_are_there(serving: Serving) -> None:
    assert serving.get("/") == (
        404, "text/plain; charset=utf-8", "The metrics are at /metrics\n",
    )  # fmt: skip
    assert serving.get("/metrics?name[]=phoenix_up")[2].count("# TYPE") > 30


def test_a_client_that_says_nothing_keeps_nobody_waiting(serving: Serving) -> None:
    parts = urlsplit(serving.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10):
        assert serving.get()[0] == 200


def test_what_was_written_since_is_told_and_old_values_are_not(serving: Serving) -> None:
    with SqliteMetrics(serving.state) as metrics:
        metrics.write(Batch(time.time(), ("web-1",), {"deploys": np.array([1.0])}))
        metrics.write(Batch(time.time() - 3600, ("web-1",), {"ancient": np.array([1.0])}))
    text = serving.get()[2]
    assert 'phoenix_deploys{fleet="shop",node="web-1"} 1.0' in text
    assert "ancient" not in text
