"""`nodes drain` and `nodes reboot` as people use them, on an embedded fleet of its own."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.cli.demo_fleet import DemoFleet

PINNED = "  pinned:\n    command: [sleep, inf]\n    nodes: [demo-3]\n"
COUNTERS = {"counter-0", "counter-1", "counter-2"}


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoFleet]:
    """Three nodes, three agents that may be anywhere, one that belongs to demo-3."""
    fleet = DemoFleet(tmp_path_factory.mktemp("drain"))
    (fleet.root / "operator").mkdir()
    try:
        fleet.up()
        text = fleet.config.read_text()
        fleet.config.write_text(text.replace("agents:\n", f"agents:\n{PINNED}", 1))
        fleet.ok("apply", "--yes")
        yield fleet
    finally:
        down = fleet.down()
    assert down.code == 0


@pytest.fixture
def fleet(drained: DemoFleet) -> Iterator[DemoFleet]:
    yield drained
    drained.end_what_was_started()
    drained.ok("nodes", "uncordon", "demo-[1-3]")
    drained.ok("apply", "--yes")


def running(fleet: DemoFleet) -> list[tuple[str, str]]:
    """Every running agent with its node."""
    agents = fleet.ok("agents", "ls", "-o", "json").json["agents"]
    return sorted((a["id"], a["node"]) for a in agents if a["state"] == "running")


def test_agents_of_two_nodes_move_to_the_third_and_a_second_drain_has_nothing_to_do(
    fleet: DemoFleet,
) -> None:
    fleet.ok("nodes", "drain", "demo-[1-2]", "--yes")
    assert {(agent, "demo-3") for agent in COUNTERS} < set(running(fleet))
    assert len(running(fleet)) == 4
    again = fleet.ok("nodes", "drain", "demo-[1-2]", "--yes")
    assert "nothing to do" in again.out


def test_an_agent_without_another_place_keeps_all_as_it_is_unless_it_may_be_stopped(
    fleet: DemoFleet,
) -> None:
    before = running(fleet)
    read = fleet.run("nodes", "drain", "demo-3", "--dry-run")
    assert read.code == 8
    assert "forbidden by no_other_place: pinned-0 fits on no node: demo-1 (" in read.out
    refused = fleet.run("nodes", "drain", "demo-3", "--yes")
    assert refused.code == 8
    assert "phoenixctl explain pinned-0" in refused.err
    assert "phoenixctl nodes drain demo-3 --stop unplaced" in refused.err
    assert running(fleet) == before
    assert fleet.ok("status").rows("NODE")["demo-3"][0] != "cordoned"

    fleet.ok("nodes", "drain", "demo-3", "--stop", "unplaced", "--yes")
    after = running(fleet)
    assert {agent for agent, _ in after} == COUNTERS
    assert "demo-3" not in {node for _, node in after}


def test_all_are_stopped_where_they_are_when_that_is_asked_for(fleet: DemoFleet) -> None:
    there = {agent for agent, node in running(fleet) if node == "demo-1"}
    fleet.ok("nodes", "drain", "demo-1", "--stop", "all", "--deadline", "5s", "--yes")
    assert {agent for agent, _ in running(fleet)} == (COUNTERS | {"pinned-0"}) - there


@pytest.mark.parametrize("after_seconds", [0.9, 1.4, 1.9])
def test_a_killed_drain_goes_on_where_it_was(fleet: DemoFleet, after_seconds: float) -> None:
    drain = fleet.start("nodes", "drain", "demo-1", "--yes")
    time.sleep(after_seconds)
    drain.send_signal(signal.SIGKILL)
    drain.wait(timeout=10)

    fleet.ok("nodes", "drain", "demo-1", "--yes")
    found = running(fleet)
    assert [agent for agent, _ in found] == [*sorted(COUNTERS), "pinned-0"]
    assert "demo-1" not in {node for _, node in found}
    assert "nothing to do" in fleet.ok("nodes", "drain", "demo-1", "--yes").out


def test_an_embedded_node_is_not_rebooted(fleet: DemoFleet) -> None:
    refused = fleet.run("nodes", "reboot", "demo-1", "--yes")
    assert refused.code == 8
    assert "demo-1 is a process on this machine and cannot be rebooted" in refused.err
    assert "phoenixctl apply --replace demo-1" in refused.err
