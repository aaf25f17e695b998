"""`metrics`: gathered, kept, shown."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

from tests.cli.demo_fleet import CONTROL, NODES, DemoFleet


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
    for _ in range(3):
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
    assert group["count"] >= 9
    assert group["min"] == group["p50"] == group["p99"] == group["max"]
    assert group["sum"] > group["avg"]
    up = fleet.ok("metrics", "stats", "up", "--by", "pool", "-w", "minute", "-o", "json").json
    assert up["metrics"][0]["groups"][0]["name"] == "demo"
    assert 0 < up["metrics"][0]["groups"][0]["up_share"] <= 1
    exported = fleet.ok("metrics", "export", "rss", "-a", "counter-0", "--window", "minute").out
    lines = exported.splitlines()
    assert lines[0] == "metric,subject,at,value"
    assert all(line.startswith("rss,demo-1/counter-0,2") for line in lines[1:])
    assert len(lines) >= 4


def test_scripts_keep_values_and_add_to_counters(fleet: DemoFleet) -> None:
    record = ("metrics", "record")
    fleet.ok(*record, "queue_depth", "7", "--node", "demo-1")
    counter = ("--kind", "counter", "-l", "kind=mail")
    fleet.ok(*record, "jobs_total", "2", *counter)
    done = fleet.ok(*record, "jobs_total", "3", *counter, "-o", "json")
    assert done.json["metric"] == 'jobs_total{kind="mail"}'
    assert (done.json["subject"], done.json["value"]) == ("*", 5.0)
    assert fleet.ok("metrics", "get", "queue_depth").rows("SUBJECT")["demo-1"][0] == "7"
    stats = fleet.ok("metrics", "stats", "jobs_total", "--by", "fleet", "-o", "json").json
    assert stats["metrics"][0]["kind"] == "counter"
    assert stats["metrics"][0]["groups"][0]["rate_per_second"] > 0


def test_a_file_is_written_whole_and_for_the_operator_alone(
    fleet: DemoFleet, tmp_path: Path
) -> None:
    fleet.ok("metrics", "record", "temperature", "-7.25")
    out = tmp_path / "queue.json"
    fleet.ok("metrics", "export", "temperature", "--format", "json", "--out", str(out))
    assert json.loads(out.read_text().splitlines()[-1])["value"] == -7.25
    assert out.stat().st_mode & 0o777 == 0o600


WRONG = {
    "get cpu_utilisation": "no metric matches 'cpu_utilisation'; did you mean cpu_utilization?",
    "get up --window fortnight": "--window fortnight is no time",
    "get up --from 5m --until 10m": "the window is over before it begins",
    "record 9lives 1": "is no name of a metric",
    "record lives nan": "nan is no value of a gauge",
    "record lives -1 --kind counter": "-1 is no value of a counter",
    "record lives 1 --agent counter-0": "on which node is counter-0?",
    "record lives 1 --label x": "--label x has no value",
}


def test_what_is_wrong_is_said_before_anything_is_kept(fleet: DemoFleet) -> None:
    fleet.ok("metrics", "collect", "-q")
    for words, what in WRONG.items():
        done = fleet.run("metrics", *words.split())
        assert done.code == 2, words
        assert what in done.err
    assert "lives" not in fleet.ok("metrics", "ls").out
