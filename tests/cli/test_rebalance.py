"""`rebalance` as people use it, on an embedded fleet of its own that all runs on one node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cli.demo_fleet import DemoFleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoFleet]:
    """Three nodes; four agents that were bound to the first one and are not any more."""
    fleet = DemoFleet(tmp_path_factory.mktemp("rebalance"))
    (fleet.root / "operator").mkdir()
    try:
        fleet.ok("demo", "up", "--nodes", "3", "--agents", "1", "--dir", str(fleet.config.parent))
        free = fleet.config.read_text().replace("replicas: 1", "replicas: 4")
        bound = free.replace("replicas: 4", "replicas: 4\n    nodes: [demo-1]")
        fleet.config.write_text(bound)
        fleet.ok("apply", "--yes")
        fleet.config.write_text(free)
        yield fleet
    finally:
        down = fleet.down()
    assert down.code == 0


def crowds(fleet: DemoFleet) -> list[int]:
    """How many agents run on each node that has any, most first."""
    agents = fleet.ok("agents", "ls", "-o", "json").json["agents"]
    found = Counter(a["node"] for a in agents if a["state"] == "running")
    return sorted(found.values(), reverse=True)


def test_it_is_read_before_anything_moves(fleet: DemoFleet) -> None:
    curve = fleet.ok("rebalance", "--curve", "-o", "json")
    assert curve.json["schema"] == "phoenixctl.rebalance/1"
    assert curve.json["objective"]["before"] > curve.json["objective"]["after"]
    assert "each agent of counter migrates live" in curve.err
    closer = fleet.run("rebalance", "--exact", "--curve", "-o", "json")
    if find_spec("ortools"):
        assert closer.json["objective"]["after"] <= curve.json["objective"]["after"]
    else:
        assert "phoenixctl[opt]" in closer.err
    refused = fleet.run("rebalance")
    assert refused.code == 8
    assert "--yes" in refused.err
    assert "demo-1 has 2 agents instead of" in refused.out
    assert "objective: balance" in refused.out


def test_a_plan_that_was_kept_is_carried_out(fleet: DemoFleet, tmp_path: Path) -> None:
    assert crowds(fleet) == [4]
    one = tmp_path / "one.json"
    fleet.ok("rebalance", "--max-moves", "1", "-out", str(one))
    fleet.ok("apply", str(one), "--yes")
    assert crowds(fleet) == [3, 1]


def test_a_fleet_is_spread_and_then_left_alone(fleet: DemoFleet) -> None:
    fleet.ok("rebalance", "--yes")
    assert crowds(fleet) == [2, 1, 1]
    again = fleet.ok("rebalance", "--yes")
    assert "no move is worth it" in again.out
    assert "nothing to do" in again.out
    assert fleet.ok("plan", "--detailed-exitcode").code == 0


def test_it_says_which_nodes_a_smaller_fleet_can_do_without(fleet: DemoFleet) -> None:
    read = fleet.ok("rebalance", "--goal", "consolidate", "--dry-run")
    assert "no agent then; without them: phoenixctl scale demo 1" in read.out


def test_what_makes_no_sense_is_said(fleet: DemoFleet) -> None:
    wrong = fleet.run("rebalance", "--target", "agent.nobody")
    assert wrong.code == 2
    assert "agent.nobody is no agent, node or pool" in wrong.err
    both = fleet.run("rebalance", "--out", "plan.json", "--yes")
    assert both.code == 2
    assert fleet.run("rebalance", "--goal", "peace").code == 2
