"""The text that a Prometheus is told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from phoenixctl.metrics.alert_state import Hold, Phase, Standing
from phoenixctl.metrics.kinds import Kind, build
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.ports.records import Entry
from phoenixctl.render.exposition import Exposed, families
from tests.needs import program

EVIL = 'a"b\\c\nd\x1b[31m'
COUNTERS = ("requests_total", 'requests_total{code="200"}', "deploys_total", "backlog")
FULL = Exposed(
    fleet="shop",
    version="1.2.3",
    values={
        "up": {"web-1": 1.0, "web-1/ingest-0": 0.0},
        **{metric.value: {"web-1": 0.1} for metric in Metric},
        **{metric.value: {"web-1/ingest-0": 2.5} for metric in AgentMetric},
        "agent_response_time_p95": {"*": 0.1},
        "requests_total": {"web-1": 1e9 + 1},
        'requests_total{code="200"}': {"web-1": 3.0},
        "deploys": {"*": 1.0},
        "deploys_total": {"*": 2.0},
        'wait_bucket{le="+Inf"}': {"web-1": 4.0},
        "backlog": {"*": 7.0},  # a counter that does not say so by its name
        build("odd", {"path": EVIL}): {"web-1": 1.0},
        "build_info": {"web-1": 99.0},
    },
    kinds=dict.fromkeys(COUNTERS, Kind.COUNTER),
    standings={
        ("cpu", "web-1"): Standing(1.0, 0.97, {"critical": Hold(Phase.FIRING, 1.0)}),
        ("slow", "web-1/a-0"): Standing(1.0, 0.2, {"warning": Hold(Phase.PENDING, 1.0)}),
        ("cpu", "web-2"): Standing(1.0, 0.2),
    },
    evaluated_at=1_800_000_000.0,
    operations=(
        Entry("2", EVIL, "ada@here", "2026-12-01T10:00:02.500Z", "ok", 3, 0,
              "2026-12-01T10:00:00.000Z"),
        Entry("1", "old", "ada@here", "2026-12-01T09:00:00.000Z", "some failed", 2, 1),
    ),
    targets={"agent_response_time_p95": 0.05},
)  # fmt: skip


def registry(exposed: Exposed) -> CollectorRegistry:
    class Found(Collector):
        def collect(self) -> Iterator[Family]:
            return families(exposed)

    made = CollectorRegistry(auto_describe=False)
    made.register(Found())
    return made


def lines(exposed: Exposed) -> list[str]:
    return generate_latest(registry(exposed)).decode().splitlines()


@pytest.mark.parametrize(
    "line",
    [
        'phoenix_up{fleet="shop",node="web-1"} 1.0',
        'phoenix_up{agent="ingest-0",fleet="shop",node="web-1"} 0.0',
        'phoenix_cpu_utilization{fleet="shop",node="web-1"} 0.1',
        'phoenix_requests_total{fleet="shop",node="web-1"} 1.000000001e+09',
        'phoenix_requests_total{code="200",fleet="shop",node="web-1"} 3.0',
        "# TYPE phoenix_requests_total counter",
        "# TYPE phoenix_deploys gauge",
        "# TYPE phoenix_deploys_total untyped",  # OpenMetrics would name it as the gauge
        "# TYPE phoenix_backlog untyped",
        "# TYPE phoenix_memory_total untyped",
        "# HELP phoenix_rss Rss of an agent, in bytes.",
        "# HELP phoenix_uptime Uptime of a node or an agent, in seconds.",
        'phoenix_build_info{fleet="shop",version="1.2.3"} 1.0',
        'phoenix_target{fleet="shop",target="agent_response_time_p95"} 0.05',
        'phoenix_target_compliance{fleet="shop",target="agent_response_time_p95"} 0.5',
        'phoenix_alert{fleet="shop",node="web-1",rule="cpu",status="critical"} 1.0',
        'phoenix_alert{agent="a-0",fleet="shop",node="web-1",rule="slow",status="pending"} 1.0',
        'phoenix_alerts_evaluated_timestamp_seconds{fleet="shop"} 1.8e+09',
        'phoenix_operation_duration_seconds{fleet="shop",id="2"} 2.5',
        'phoenix_operation_failures{fleet="shop",id="1"} 1.0',
    ],
)
def test_the_text_has(line: str) -> None:
    assert line in lines(FULL)


def test_what_is_in_order_or_not_known_is_not_told() -> None:
    text = "\n".join(lines(FULL))
    assert 'phoenix_alert{fleet="shop",node="web-2"' not in text
    assert 'phoenix_operation_duration_seconds{fleet="shop",id="1"}' not in text
    assert " 99.0" not in text  # a metric of a user with a name of ours
    assert text.count("# TYPE phoenix_build_info ") == 1


def test_openmetrics_reads_as_the_same() -> None:
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(openmetrics(registry(FULL)).decode())
        for sample in family.samples
    }
    told = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(FULL)
        for sample in family.samples
    }
    assert found == told
    assert any(EVIL in dict(labels).values() for _, labels in found)


def test_promtool_has_nothing_to_say_about_the_text() -> None:
    words = [program("promtool"), "check", "metrics"]
    text = generate_latest(registry(FULL))
    done = subprocess.run(words, input=text, capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_of_an_empty_fleet_there_is_what_a_dashboard_asks_for() -> None:
    found = {family.name for family in families(Exposed("shop", "1"))}
    assert {"phoenix_alert", "phoenix_build_info", "phoenix_operation_steps"} <= found
