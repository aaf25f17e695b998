"""`metrics`: gathered, kept, shown."""

from __future__ import annotations

import os
import signal

from tests.cli.demo_fleet import CONTROL, DemoFleet


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
