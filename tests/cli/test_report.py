"""`targets` and `report`: how the fleet did over time."""

from __future__ import annotations

import re
import stat
import time
from pathlib import Path

import numpy as np

from phoenixctl.metrics.series import Batch
from phoenixctl.store.metrics import SqliteMetrics
from tests.browser import looked_at
from tests.cli.demo_fleet import NODES, DemoFleet


def filled(fleet: DemoFleet) -> None:
    """An hour of values, one each minute, of the fleet and its nodes."""
    with SqliteMetrics(fleet.state) as store:
        for minutes in range(60, 0, -1):
            at = time.time() - 60 * minutes
            wave = np.float32(0.5 + 0.3 * np.sin(minutes / 9))
            cpu = np.array([wave, wave / 2, 0.1], np.float32)
            store.write(Batch(at, NODES, {"cpu_utilization": cpu, "pressure_cpu": cpu / 4}))
            response = np.array([0.1 if minutes > 45 else 0.02], np.float32)
            store.write(Batch(at, ("*",), {"agent_response_time_p95": response}))


def test_targets_are_told_over_windows(fleet: DemoFleet) -> None:
    filled(fleet)
    fleet.ok("metrics", "collect", "--quiet")
    document = fleet.ok("targets", "--window", "hour", "-w", "7d", "-o", "json").json
    assert document["schema"] == "phoenixctl.targets/1"
    assert [window["name"] for window in document["windows"]] == ["hour", "7d"]
    found = {one["name"]: one for one in document["windows"][0]["targets"]}
    response = found["agent_response_time_p95"]
    assert response["count"] >= 59
    assert 0.7 < response["met_share"] < 0.8
    assert response["compliance"] < 1
    # Of the collection.
    assert 0 < found["cluster_availability"]["latest"] <= 1  # tests before it kill nodes
    assert found["message_throughput"]["count"] >= 1
    table = fleet.ok("targets").out
    assert table.startswith("TARGET ")
    assert re.search(r"^agent response time p95 +50ms +hour ", table, re.M)
    assert fleet.run("targets", "-w", "fortnight").code == 2


def test_a_report_is_one_page_that_a_browser_shows(fleet: DemoFleet, tmp_path: Path) -> None:
    filled(fleet)
    page = tmp_path / "report.html"
    done = fleet.ok("report", "--window", "hour", "--out", str(page))
    assert done.out.startswith(f"{page} (")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    seen = looked_at(page, tmp_path)
    assert seen.complaints == []
    for text in ("phoenix-demo is", "CPU by node", "Waiting for CPU by node", "counter-2", *NODES):
        assert text in seen.dom
    lines = re.findall(r'<polyline points="([^"]+)"', seen.dom)
    assert len(lines) >= 1 + 2 * len(NODES)
    assert max(len(points.split()) for points in lines) >= 50
    assert len(seen.picture) > 40_000  # an empty page has a few thousand bytes


def test_a_report_goes_to_stdout_or_says_what_it_wrote(fleet: DemoFleet, tmp_path: Path) -> None:
    assert fleet.ok("report", "--out", "-").out.startswith("<!doctype html>\n")
    page = tmp_path / "below" / "report.html"
    document = fleet.ok("report", "--out", str(page), "-o", "json").json
    assert document["schema"] == "phoenixctl.report/1"
    assert document["bytes"] == page.stat().st_size
    assert fleet.run("report", "--out", "/dev/null/x").code == 1
