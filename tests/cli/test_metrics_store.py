"""The same commands with a real Prometheus behind them instead of the file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.demo_fleet import NODES, DemoFleet
from tests.prometheus import PASSWORD, USER, RunningPrometheus, running_prometheus


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPrometheus]:
    with running_prometheus(tmp_path_factory.mktemp("prometheus")) as found:
        yield found


def store(server: RunningPrometheus, **more: str) -> list[str]:
    settings = {
        "kind": "prometheus",
        "write_url": server.settings.write_url,
        "query_url": server.settings.query_url,
        **more,
    }
    return [f"--set=metrics.store.{key}={value}" for key, value in settings.items()]


def test_what_is_collected_and_recorded_is_in_prometheus_and_comes_back(
    fleet: DemoFleet, server: RunningPrometheus
) -> None:
    there = store(server)
    fleet.ok("metrics", "collect", "--quiet", *there)
    fleet.ok("metrics", "record", "deploys_total", "2", "--kind", "counter", *there)
    fleet.ok("metrics", "record", "deploys_total", "3", "--kind", "counter", *there)

    assert server.values("phoenix_up{agent=''}", "fleet", "node") == {
        ("phoenix-demo", node): 1 for node in NODES
    }
    assert server.values("phoenix_deploys_total", "fleet", "node") == {("phoenix-demo", ""): 5}
    memory = server.values("phoenix_memory_total", "node")

    listed = fleet.ok("metrics", "ls", *there).rows("METRIC")
    assert listed["cpu_utilization"] == ["gauge", "ratio", "3", "0"]
    assert listed["deploys_total"][0] == "counter"
    got = fleet.ok("metrics", "get", "memory_total", "-o", "json", *there).json
    series = got["metrics"][0]["subjects"]
    assert {one["subject"]: one["values"][-1]["value"] for one in series} == {
        node: value for (node,), value in memory.items()
    }
    stats = fleet.ok("metrics", "stats", "memory_total", "--by", "fleet", "-o", "json", *there)
    group = stats.json["metrics"][0]["groups"][0]
    assert (group["subjects"], group["max"]) == (3, max(memory.values()))
    alerts = fleet.ok("alerts", "ls", "-o", "json", *there).json
    assert [one for one in alerts["alerts"] if one["status"] == "no_data"] == []


def test_a_secret_that_is_missing_is_told_before_anything_is_sent(
    fleet: DemoFleet, server: RunningPrometheus
) -> None:
    with_login = store(server, user=USER, **{"password.file": str(fleet.root / "nowhere")})
    done = fleet.run("metrics", "get", "up", *with_login)
    assert done.code == 2
    assert "a secret is missing" in done.err
    assert PASSWORD not in done.err
    assert "a secret is missing" in fleet.run("doctor", "-n", "demo-1", *with_login).out


def test_doctor_asks_the_server(fleet: DemoFleet, server: RunningPrometheus) -> None:
    done = fleet.ok("doctor", "-n", "demo-1", "-o", "json", *store(server))
    found = [one["found"] for one in done.json["checks"] if one["name"] == "metrics"]
    assert found == [f"{server.url} answers"]
