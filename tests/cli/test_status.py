"""`status`, `doctor` and the listings."""

from __future__ import annotations

import os
import re
import signal

import pytest
import yaml

from tests.cli.demo_fleet import CONTROL, NODES, DemoFleet, until

AGENTS = ("counter-0", "counter-1", "counter-2")


def test_status_gives_the_verdict_first_and_a_row_for_every_node_and_agent(
    fleet: DemoFleet,
) -> None:
    done = fleet.ok("status")
    first = done.out.splitlines()[0]
    assert re.fullmatch(
        r"phoenix-demo is (healthy|degraded): 3 of 3 nodes answer, 3 of 3 agents run", first
    )
    assert set(done.rows("NODE")) == set(NODES)
    assert {name: row[1] for name, row in done.rows("AGENT").items()} == dict.fromkeys(
        AGENTS, "ready"
    )
    assert "cluster availability" in done.out
    assert not CONTROL.search(done.out)
    assert done.err == ""


def test_wide_shows_more_and_cuts_nothing(fleet: DemoFleet) -> None:
    done = fleet.ok("status", "-o", "wide", "--sort", "name")
    assert list(done.rows("NODE")) == list(NODES)
    assert "127.0.0.1" in done.out
    assert "…" not in done.out


def test_json_and_yaml_say_the_same_of_the_fleet(fleet: DemoFleet) -> None:
    as_json = fleet.ok("status", "-o", "json", "--sort", "name").json
    as_yaml = yaml.safe_load(fleet.ok("status", "-o", "yaml", "--sort", "name").out)
    for document in (as_json, as_yaml):
        assert document["schema"] == "phoenixctl.status/1"
        assert [n["name"] for n in document["nodes"]] == list(NODES)
        assert [a["id"] for n in document["nodes"] for a in n["agents"]] == list(AGENTS)
    memory = as_json["nodes"][0]["metrics"]["memory_total"]
    assert memory["unit"] == "bytes"
    assert memory["value"] > 2**20
    assert as_json["nodes"][0]["metrics"].keys() == as_yaml["nodes"][0]["metrics"].keys()


def test_a_dead_node_is_a_row_and_the_others_are_right_and_it_comes_back(fleet: DemoFleet) -> None:
    os.kill(fleet.node_pid("demo-3"), signal.SIGKILL)
    try:
        done = fleet.run("status", "-o", "json")
        assert done.code == 4
        nodes = {n["name"]: n for n in done.json["nodes"]}
        assert next(iter(nodes)) == "demo-3"  # the worst one
        assert nodes["demo-3"]["error"]["kind"] == "unreachable"
        assert [nodes[n]["reachable"] for n in NODES] == [True, True, False]
        assert done.json["verdict"]["level"] == "degraded"
        table = fleet.run("status", "--filter", "unreachable")
        assert table.code == 4
        assert list(table.rows("NODE")) == ["demo-3"]
        assert table.rows("NODE")["demo-3"][0] == "unreachable"
        # Its agent may still run there, and does: it is not started a second time.
        start = fleet.run("agents", "start", "counter-2")
        assert start.code == 3
        assert "--assume-dead demo-3" in start.out
        ran = fleet.run("exec", "--all", "--", "echo", "there")
        assert ran.code == 4
        assert "demo-[1-2] (2)" in ran.out
        assert re.search(r"^demo-3: unreachable: ", ran.err, re.M)
    finally:
        fleet.up()
    assert fleet.ok("status", "-n", "demo-3", "-o", "json").json["nodes"][0]["agents"][0]["ready"]


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_node_that_does_not_exist_is_a_usage_error_with_a_guess(
    fleet: DemoFleet, output: str
) -> None:
    done = fleet.run("status", "--nodes", "demo-11", "-o", output)
    assert done.code == 2
    assert done.err == (
        "error: no node matches 'demo-11'; did you mean demo-1?\n  try: phoenixctl nodes ls\n"
    )
    if output == "json":
        assert done.json["schema"] == "phoenixctl.error/1"
        assert done.json["error"]["exit_code"] == 2
    else:
        assert done.out == ""


def test_doctor_finds_an_embedded_fleet_in_order(fleet: DemoFleet) -> None:
    document = fleet.ok("doctor", "-o", "json").json
    about = {c["about"] for c in document["checks"]}
    assert {*NODES, "here"} <= about
    assert [c for c in document["checks"] if c["grade"] == "problem"] == []
    assert {"connection", "clock", "shell", "disk"} <= {c["name"] for c in document["checks"]}


def test_a_node_and_an_agent_can_be_described_in_full(fleet: DemoFleet) -> None:
    node = fleet.ok("nodes", "describe", "demo-1").out
    assert f"agents under {fleet.home('demo-1')}" in node
    assert re.search(r"^availability +\S+%", node, re.M)
    agent = fleet.ok("agents", "describe", "counter-0").out
    assert agent.startswith("counter-0 on demo-1\n")
    assert re.search(r"^rss +[\d.]+MiB", agent, re.M)
    # Unknown until somebody asks it something, as a test beside this one may have done.
    assert re.search(r"^response_time_p95 +(\?|[\d.]+ms)", agent, re.M)


def test_nodes_are_listed_without_being_asked(fleet: DemoFleet) -> None:
    document = fleet.ok("nodes", "ls", "-o", "json", "-n", "demo-[1-2]").json
    assert [n["name"] for n in document["nodes"]] == ["demo-1", "demo-2"]


def test_watching_without_a_terminal_appends_pages_until_it_is_ended(fleet: DemoFleet) -> None:
    watching = fleet.start("status", "--watch", "--interval", "0.5")
    pages: list[bytes] = []
    assert watching.stdout is not None

    def second_page() -> bool:
        pages.append(watching.stdout.readline())
        return sum(line.startswith(b"phoenix-demo is ") for line in pages) == 2

    until(second_page)
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=20)
    assert watching.returncode == 130
    assert b"Traceback" not in err
    assert b"\x1b" not in b"".join(pages)
