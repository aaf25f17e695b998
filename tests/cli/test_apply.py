"""`plan` and `apply` as people use them, on an embedded fleet of their own."""

from __future__ import annotations

import re
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.demo_fleet import DemoFleet, finish, interrupt, until


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoFleet]:
    """A fleet that these tests may change as they like: two nodes, three agents."""
    fleet = DemoFleet(tmp_path_factory.mktemp("apply"))
    (fleet.root / "operator").mkdir()
    try:
        fleet.ok("demo", "up", "--nodes", "2", "--agents", "3", "--dir", str(fleet.config.parent))
        yield fleet
    finally:
        down = fleet.down()
    assert down.code == 0


@pytest.fixture
def fleet(own: DemoFleet) -> Iterator[DemoFleet]:
    """The fleet as configured at first, whatever the test before has done to it."""
    text = own.config.read_text()
    yield own
    own.end_what_was_started()
    own.config.write_text(text)
    own.ok("nodes", "unprotect", "demo-*")
    own.ok("scale", "demo", "2", "--yes", "--max-destroy", "100%", "--max-disruption", "100%")
    own.ok("nodes", "uncordon", "demo-*")
    own.ok("apply", "--yes", "--max-disruption", "100%")


def edit(fleet: DemoFleet, before: str, after: str) -> None:
    text = fleet.config.read_text()
    assert before in text
    fleet.config.write_text(text.replace(before, after))


def steps(fleet: DemoFleet, *words: str, code: int = 0) -> list[tuple[str, str]]:
    """The plan as pairs of action and what it is about."""
    done = fleet.run("plan", *words, "-o", "json")
    assert done.code == code, done
    return [(s["action"], s["agent"] or s["node"]) for s in done.json["steps"]]


def running_ones(fleet: DemoFleet) -> dict[str, Any]:
    found = fleet.ok("agents", "ls", "-o", "json").json["agents"]
    return {a["id"]: a for a in found if a["state"] == "running"}


def running(fleet: DemoFleet) -> dict[str, str]:
    return {name: agent["node"] for name, agent in running_ones(fleet).items()}


def test_a_fleet_as_configured_has_nothing_to_do(fleet: DemoFleet) -> None:
    assert steps(fleet, "--detailed-exitcode") == []
    done = fleet.ok("apply", "--yes")
    assert done.out.splitlines()[0] == "nothing to do"


def test_a_changed_number_of_agents_is_planned_kept_carried_out_once(fleet: DemoFleet) -> None:
    edit(fleet, "replicas: 3", "replicas: 4")
    assert steps(fleet, "--detailed-exitcode", code=10) == [("start agent", "counter-3")]
    kept = fleet.root / "due.plan"
    said = fleet.ok("plan", "-out", str(kept))
    assert f"next: phoenixctl apply {kept}" in said.err
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert fleet.ok("show", str(kept)).out == said.out
    assert "counter-3" not in running(fleet)

    done = fleet.ok("apply", str(kept))
    assert re.search(r"^ok +start agent counter-3 on demo-\d: ready in ", done.err, re.M)
    assert "counter-3" in running(fleet)
    again = fleet.run("apply", str(kept))
    assert again.code == 8
    assert "phoenixctl plan" in again.err
    assert steps(fleet, "--detailed-exitcode") == []


def test_a_changed_specification_rolls_through_the_agents_and_can_be_taken_back(
    fleet: DemoFleet,
) -> None:
    before = running_ones(fleet)
    edit(fleet, "    metrics: {}", "    env: {LEVEL: loud}\n    metrics: {}")
    shown = fleet.ok("plan").out
    assert "env.LEVEL" in shown
    assert "update 3 agents" in shown
    done = fleet.ok("apply", "--yes")
    assert len(re.findall(r"^ok +update agent counter-", done.err, re.M)) == 3
    after = running_ones(fleet)
    assert all(after[a]["spec_digest"] != before[a]["spec_digest"] for a in before)
    assert all(after[a]["node"] == before[a]["node"] for a in before)

    latest = fleet.ok("history", "-o", "json").json["operations"][0]
    assert (latest["title"], latest["outcome"], latest["steps"]) == ("apply", "ok", 3)
    shown = fleet.ok("history", "show", latest["id"]).out
    assert shown.count("update agent counter-") == 3
    fleet.ok("rollback", latest["id"], "--yes")
    back = running_ones(fleet)
    assert all(back[a]["spec_digest"] == before[a]["spec_digest"] for a in before)
    assert all(a["ready"] for a in back.values())
    assert [action for action, _ in steps(fleet)] == ["update agent"] * 3


def test_a_plan_is_stale_when_what_it_relies_on_has_changed(fleet: DemoFleet) -> None:
    edit(fleet, "replicas: 3", "replicas: 4")
    kept = fleet.root / "stale.plan"
    fleet.ok("plan", "--out", str(kept))
    edit(fleet, "replicas: 4", "replicas: 5")
    changed = fleet.run("apply", str(kept))
    assert changed.code == 8
    assert "configuration" in changed.err
    edit(fleet, "replicas: 5", "replicas: 4")
    fleet.ok("agents", "restart", "counter-0")
    moved_on = fleet.run("apply", str(kept))
    assert moved_on.code == 8
    assert "counter-3" not in running(fleet)


def test_an_apply_that_nobody_approved_changes_nothing(fleet: DemoFleet) -> None:
    edit(fleet, "replicas: 3", "replicas: 4")
    done = fleet.run("apply")
    assert done.code == 8
    assert "--yes" in done.err
    assert "counter-3" not in running(fleet)
    assert fleet.ok("apply", "--dry-run").out.splitlines()[-1] == "start 1 agent"


def test_agents_that_are_not_wanted_any_more_end(fleet: DemoFleet) -> None:
    edit(fleet, "replicas: 3", "replicas: 2")
    assert steps(fleet) == [("drain agent", "counter-2")]
    fleet.ok("apply", "--yes")
    assert sorted(running(fleet)) == ["counter-0", "counter-1"]


def test_a_guard_forbids_what_takes_down_too_much_until_it_is_lifted(fleet: DemoFleet) -> None:
    edit(fleet, "replicas: 3", "replicas: 0")
    forbidden = fleet.run("plan")
    assert forbidden.code == 8
    assert "forbidden by max_disruption" in forbidden.out
    refused = fleet.run("apply", "--yes")
    assert (refused.code, len(running(fleet))) == (8, 3)
    assert "--max-disruption" in refused.err
    fleet.ok("apply", "--yes", "--max-disruption", "3")
    assert running(fleet) == {}


def test_a_pool_is_scaled_out_and_in_and_agents_move_before_a_node_goes(fleet: DemoFleet) -> None:
    out = fleet.ok("scale", "demo", "3", "--yes")
    assert re.search(r"^ok +create node demo-3", out.err, re.M)
    assert re.search(r"^ok +join node demo-3", out.err, re.M)
    assert steps(fleet, "--detailed-exitcode") == []  # the size asked for counts from now on
    edit(fleet, "replicas: 3", "replicas: 6")
    fleet.ok("apply", "--yes")
    assert "demo-3" in running(fleet).values()

    smaller = fleet.run("scale", "demo", "1", "--yes")
    assert smaller.code == 8
    assert "max_destroy" in smaller.err
    fleet.ok("scale", "demo", "1", "--yes", "--max-destroy", "2")
    assert len(running(fleet)) == 6
    assert len(set(running(fleet).values())) == 1
    nodes = fleet.ok("nodes", "ls", "-o", "json").json["nodes"]
    assert len(nodes) == 1


def test_a_protected_node_is_not_destroyed(fleet: DemoFleet) -> None:
    fleet.ok("nodes", "protect", "demo-[1-2]")
    done = fleet.run("scale", "demo", "1", "--yes", "--max-destroy", "2")
    assert done.code == 8
    assert "nodes unprotect" in done.err
    fleet.ok("nodes", "unprotect", "demo-[1-2]")
    fleet.ok("scale", "demo", "1", "--yes", "--max-destroy", "2")


def test_targets_and_excludes_narrow_a_plan(fleet: DemoFleet) -> None:
    edit(fleet, "    metrics: {}", "    env: {LEVEL: loud}\n    metrics: {}")
    assert steps(fleet, "--target", "agent.counter-1") == [("update agent", "counter-1")]
    assert [a for _, a in steps(fleet, "--exclude", "agent.counter-1")] == [
        "counter-0",
        "counter-2",
    ]
    wrong = fleet.run("plan", "--target", "agent.cuonter-1")
    assert wrong.code == 2
    assert "counter-1" in wrong.err


def test_a_node_can_be_made_anew(fleet: DemoFleet) -> None:
    agents = sorted(running(fleet))
    planned = [action for action, _ in steps(fleet, "--replace", "demo-1")]
    assert planned.count("create node") == planned.count("destroy node") == 1
    fleet.ok("apply", "--replace", "demo-1", "--yes", "--max-destroy", "1")
    assert sorted(running(fleet)) == agents
    assert steps(fleet, "--detailed-exitcode") == []


def test_an_agent_stopped_by_hand_is_drift_and_comes_back(fleet: DemoFleet) -> None:
    fleet.ok("agents", "stop", "counter-0")
    assert steps(fleet) == [("start agent", "counter-0")]
    fleet.ok("apply", "--yes")
    assert "counter-0" in running(fleet)


def test_a_plan_is_the_same_text_every_time_and_can_be_drawn(fleet: DemoFleet) -> None:
    edit(fleet, "replicas: 3", "replicas: 6")
    first, second = (fleet.ok("plan", "-o", "json").json for _ in range(2))
    assert first == second
    assert fleet.ok("plan", "--graph", "mermaid").out.startswith("flowchart LR\n")
    assert fleet.ok("plan", "--graph", "dot").out.startswith("digraph plan {\n")


def test_a_lost_record_is_an_error_until_it_is_built_anew(fleet: DemoFleet) -> None:
    before = fleet.ok("state", "show", "-o", "json").json
    (fleet.state / "state.json").unlink()
    lost = fleet.run("plan")
    assert lost.code == 1
    assert "phoenixctl refresh --adopt" in lost.err
    fleet.ok("refresh", "--adopt", "--yes")
    after = fleet.ok("state", "show", "-o", "json").json
    assert {n["name"]: n["id"] for n in after["nodes"]} == {
        n["name"]: n["id"] for n in before["nodes"]
    }
    assert {a["id"]: a["node"] for a in after["agents"]} == running(fleet)
    assert steps(fleet, "--detailed-exitcode") == []


def test_a_damaged_record_names_the_backup_to_go_back_to(fleet: DemoFleet) -> None:
    path = fleet.state / "state.json"
    path.write_bytes(path.read_bytes()[:-40])
    damaged = fleet.run("plan")
    assert damaged.code == 1
    found = re.search(r"phoenixctl state restore (\d+)", damaged.err)
    assert found is not None
    assert fleet.run("state", "doctor").code == 1
    fleet.ok("state", "restore", found[1], "--yes")
    assert fleet.ok("state", "doctor").code == 0
    assert steps(fleet, "--detailed-exitcode") == []


def test_nobody_holds_the_lock_of_a_fleet_at_rest(fleet: DemoFleet) -> None:
    assert fleet.ok("lock").out == "nobody holds it\n"
    assert fleet.ok("lock", "break").out == "nobody holds it\n"


def test_the_first_ctrl_c_finishes_what_is_under_way_and_begins_nothing_more(
    fleet: DemoFleet,
) -> None:
    edit(fleet, "    drain:", "    rollout: {settle: 2s}\n    env: {LEVEL: loud}\n    drain:")
    done = interrupt(started(fleet, "apply", "--yes"))
    assert done.code == 130
    assert len(re.findall(r"^ok +update agent", done.err, re.M)) == 1
    assert "skipped" in done.err
    assert len(steps(fleet)) == 2
    assert fleet.ok("apply", "--yes").err.count("update agent") == 2


def started(fleet: DemoFleet, *words: str) -> subprocess.Popen[bytes]:
    """A change that goes on, and has begun its first step."""
    path = fleet.state / "journal.jsonl"
    before = path.stat().st_size
    run = fleet.start(*words)

    def has_begun() -> bool:
        if path.stat().st_size < before:  # begun anew
            return b'"begin"' in path.read_bytes()
        return b'"begin"' in path.read_bytes()[before:]

    until(has_begun)
    return run


def test_waiting_for_the_lock_lets_two_changes_follow_each_other(fleet: DemoFleet) -> None:
    edit(fleet, "    drain:", "    rollout: {settle: 1s}\n    env: {LEVEL: loud}\n    drain:")
    first = started(fleet, "apply", "--yes")
    busy = fleet.run("nodes", "cordon", "demo-2")
    assert busy.code == 6
    assert "runs `apply`" in busy.err
    second = fleet.ok("nodes", "cordon", "demo-2", "--lock-wait", "60s")
    assert "waiting for" in second.err
    assert finish(first).code == 0


def test_of_twenty_applies_at_once_one_changes_the_fleet_and_no_agent_changes_twice(
    fleet: DemoFleet,
) -> None:
    before = running_ones(fleet)
    edit(fleet, "    metrics: {}", "    env: {LEVEL: loud}\n    metrics: {}")
    runs = [fleet.start("apply", "--yes") for _ in range(20)]
    done = [finish(run) for run in runs]
    # The others find it locked, or the fleet changed since they looked, or nothing to do any more.
    assert {d.code for d in done} <= {0, 6, 8}
    assert sum(len(re.findall(r"^ok +update agent", d.err, re.M)) for d in done) == 3
    after = running_ones(fleet)
    assert {a: after[a]["epoch"] for a in after} == {a: before[a]["epoch"] + 1 for a in before}
    assert steps(fleet, "--detailed-exitcode") == []
