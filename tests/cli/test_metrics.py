"""`metrics`: gathered, kept, shown."""

from __future__ import annotations

import json
import os
import re
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.demo_fleet import CONTROL, NODES, DemoFleet, interrupt, until


def test_a_collection_says_what_it_has_kept(fleet: DemoFleet) -> None:
    done = fleet.ok("metrics", "collect")
    assert done.out.startswith("phoenix-demo: ")
    assert "values of 3 of 3 nodes and 3 agents" in done.out
    assert not CONTROL.search(done.out)
    assert done.err == ""
    assert fleet.ok("metrics", "collect", "--quiet").out == ""
    document = fleet.ok("metrics", "collect", "-o", "json", "-n", "demo-1").json
    assert document["schema"] == "phoenixctl.metrics-collected/1"
    assert (document["nodes"], document["agents"], document["failures"]) == (1, 1, [])
    assert document["values"] > document["metrics"] > 30


def test_a_node_that_is_silent_is_kept_as_down_and_is_the_exit_code(fleet: DemoFleet) -> None:
    os.kill(fleet.node_pid("demo-3"), signal.SIGKILL)
    try:
        done = fleet.run("metrics", "collect", "-o", "json")
    finally:
        fleet.up()
    assert done.code == 4
    assert [failure["node"] for failure in done.json["failures"]] == ["demo-3"]
    assert "demo-3: unreachable" in done.err


def test_what_was_gathered_is_listed_shown_summed_up_and_exported(fleet: DemoFleet) -> None:
    fleet.ok("metrics", "collect", "--quiet")
    listed = fleet.ok("metrics", "ls").rows("METRIC")
    assert listed["cpu_utilization"] == ["gauge", "ratio", "3", "0"]
    assert listed["rss"] == ["gauge", "bytes", "0", "3"]
    rows = fleet.ok("metrics", "get", "cpu_utilization").rows("SUBJECT")
    assert set(rows) == set(NODES)
    assert all(re.fullmatch(r"[\d.]+%", row[0]) for row in rows.values())
    stats = fleet.ok("metrics", "stats", "memory_total", "--by", "fleet", "-o", "json").json
    group = stats["metrics"][0]["groups"][0]
    assert (group["name"], group["subjects"]) == ("*", 3)
    assert group["count"] >= 3
    assert group["min"] == group["p50"] == group["p99"] == group["max"]
    assert group["sum"] > group["avg"]
    up = fleet.ok("metrics", "stats", "up", "--by", "pool", "-w", "minute", "-o", "json").json
    assert up["metrics"][0]["groups"][0]["name"] == "demo"
    assert 0 < up["metrics"][0]["groups"][0]["up_share"] <= 1
    exported = fleet.ok("metrics", "export", "rss", "-a", "counter-0", "--window", "minute").out
    lines = exported.splitlines()
    assert lines[0] == "metric,subject,at,value"
    assert all(line.startswith("rss,demo-1/counter-0,2") for line in lines[1:])
    assert len(lines) >= 2


def test_scripts_keep_values_and_add_to_counters(fleet: DemoFleet) -> None:
    record = ("metrics", "record")
    fleet.ok(*record, "queue_depth", "7", "--node", "demo-1")
    counter = ("--kind", "counter", "-l", "kind=mail")
    fleet.ok(*record, "jobs_total", "2", *counter)
    done = fleet.ok(*record, "jobs_total", "3", *counter, "-o", "json")
    assert done.json["metric"] == 'jobs_total{kind="mail"}'
    assert (done.json["subject"], done.json["value"]) == ("*", 5.0)
    assert fleet.ok("metrics", "get", "queue_depth").rows("SUBJECT")["demo-1"][0] == "7"
    for window, error in (("hour", 0), ("day", 0.0014)):  # of all values, and of roll-ups
        words = ("jobs_total", "--by", "fleet", "-w", window, "-o", "json")
        (stats,) = fleet.ok("metrics", "stats", *words).json["metrics"]
        assert stats["kind"] == "counter"
        assert stats["percentile_error"] == pytest.approx(error, abs=1e-4)
        assert stats["groups"][0]["rate_per_second"] > 0


def test_a_file_is_written_whole_and_for_the_operator_alone(
    fleet: DemoFleet, tmp_path: Path
) -> None:
    fleet.ok("metrics", "record", "temperature", "-7.25")
    out = tmp_path / "queue.json"
    fleet.ok("metrics", "export", "temperature", "--format", "json", "--out", str(out))
    assert json.loads(out.read_text().splitlines()[-1])["value"] == -7.25
    assert out.stat().st_mode & 0o777 == 0o600


def test_what_is_wrong_is_said_before_anything_is_kept(fleet: DemoFleet) -> None:
    done = fleet.run("metrics", "get", "cpu_utilisation")
    assert done.code == 2
    assert "no metric matches 'cpu_utilisation'; did you mean cpu_utilization?" in done.err
    done = fleet.run("metrics", "record", "lives", "-1", "--kind", "counter")
    assert done.code == 2
    assert "-1 is no value of a counter" in done.err
    assert "lives" not in fleet.ok("metrics", "ls").out


COLLECTORS = """
fleet: {name: phoenix-demo}
pools: {demo: {provider: local, size: 3}}
metrics:
  collectors:
    - name: jobs
      kind: statsd
      nodes: [demo-1]
      command: [printf, 'jobs.done:3|c\\njobs.wait:5|ms\\n']
    - {name: page, kind: prometheus, nodes: [demo-2], port: 1, timeout: 2s}
"""


def test_collectors_are_asked_too_and_one_that_fails_is_named(fleet: DemoFleet) -> None:
    config = fleet.root / "collectors.yaml"
    config.write_text(COLLECTORS)
    for _ in range(2):
        done = fleet.run("--config", str(config), "metrics", "collect")
        assert done.code == 3
        assert ", 1 of 2 collectors, " in done.out
        assert re.search(
            r"^demo-2, collector page: failed: .*nothing answers there", done.err, re.M
        )
    found = fleet.ok("metrics", "get", 'jobs_done{job="jobs"}', "-w", "minute", "-o", "json").json
    (subject,) = found["metrics"][0]["subjects"]
    assert subject["subject"] == "demo-1"
    first, second = [point["value"] for point in subject["values"]][-2:]
    assert second == first + 3
    up = fleet.ok("metrics", "get", "collector_up")
    assert up.rows("SUBJECT")["demo-1"][0] == "1"
    assert "jobs_wait" in fleet.ok("metrics", "ls").out


def test_health_says_who_reaches_whom(fleet: DemoFleet) -> None:
    done = fleet.ok("metrics", "health", "-o", "json")
    assert done.json["partition"] == {
        "whole": True, "probes": 6, "parts": [list(NODES)], "broken": [], "unseen": {},
        "silent": [], "unknown": [],
    }  # fmt: skip
    assert all(0 < node["availability"] <= 1 for node in done.json["nodes"])
    assert done.json["consensus"] == []


def test_watching_keeps_a_pulse_oftener_than_once_a_second(fleet: DemoFleet) -> None:
    done = fleet.ok("metrics", "watch", "-n", "demo-2", "--interval", "200ms", "--for", "4s",
                    "-o", "json")  # fmt: skip
    ticks = [json.loads(line) for line in done.out.splitlines()]
    assert ticks[0]["schema"] == "phoenixctl.metrics-tick/1"
    assert {tick["nodes"] for tick in ticks} == {1}
    assert sum(tick["fresh"] for tick in ticks) >= 2
    found = fleet.ok("metrics", "get", "uptime", "-n", "demo-2", "-w", "minute", "-o", "json").json
    node = next(s for s in found["metrics"][0]["subjects"] if s["subject"] == "demo-2")
    assert any(b["value"] - a["value"] < 1 for a, b in pairwise(node["values"]))
    refused = fleet.run("metrics", "watch", "--interval", "200ms")
    assert refused.code == 2
    assert "--interval 200ms: at least 1s" in refused.err


def test_watching_goes_on_until_it_is_ended(fleet: DemoFleet) -> None:
    watching = fleet.start("metrics", "watch", "-o", "json")
    assert watching.stdout is not None
    lines = iter(watching.stdout.readline, b"")
    first = until(lambda: json.loads(next(lines)))
    assert first["nodes"] == 3
    until(lambda: json.loads(next(lines))["fresh"] == 3)
    done = interrupt(watching)
    assert done.code == 130
    assert "Traceback" not in done.err


def test_units_are_shown_before_they_are_written(fleet: DemoFleet) -> None:
    shown = fleet.ok("install", "collector", "--dry-run", "-o", "json").json
    assert shown["written"] is False
    service, timer = shown["files"]
    assert f'"--config" "{fleet.config}"' in service["text"]
    assert timer["path"].endswith("/phoenixctl-collector-phoenix-demo.timer")
    cron = fleet.ok("install", "collector", "--as", "cron", "--every", "5m")
    assert cron.out.startswith("*/5 * * * *  ")
    assert cron.out.endswith(" metrics collect --quiet\n")
