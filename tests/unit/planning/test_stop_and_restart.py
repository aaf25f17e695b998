"""Plans that stop and restart agents."""

from __future__ import annotations

import pytest

from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Action, Plan, Risk
from phoenixctl.model.snapshot import AgentState
from phoenixctl.planning.lifecycle import plan_restart, plan_stop
from tests.builders import agent, fleet, instances, node, seen, silent, snapshot, spec

WEB = spec("web", replicas=5)
F = fleet(node("a"), node("b"), agents=[WEB])
ZERO = [AgentId("web-0")]


def keys(plan: Plan) -> list[str]:
    return [step.key for step in plan.steps]


def test_an_agent_is_stopped_wherever_it_is_found() -> None:
    twice = snapshot(seen("a", agent("web-0")), seen("b", agent("web-0", AgentState.FAILED)))
    plan = plan_stop(ZERO, twice)
    assert keys(plan) == ["stop agent web-0@a", "stop agent web-0@b"]
    assert {step.risk for step in plan.steps} == {Risk.DISRUPTIVE}


def test_stopping_what_is_stopped_changes_nothing() -> None:
    plan = plan_stop(ZERO, snapshot(seen("a", agent("web-0", AgentState.STOPPED)), seen("b")))
    assert plan.steps == ()
    assert plan.unchanged == ("web-0 is stopped on a",)


def test_purging_removes_a_stopped_agent_too_and_is_called_destructive() -> None:
    there = snapshot(seen("a", agent("web-0", AgentState.STOPPED)))
    plan = plan_stop(ZERO, there, purge=True)
    assert keys(plan) == ["stop agent web-0@a"]
    assert plan.steps[0].risk is Risk.DESTRUCTIVE
    assert plan.steps[0].reason == "it is stopped, and its state is removed"


def test_an_agent_that_is_nowhere_needs_no_stop_when_all_nodes_answered() -> None:
    plan = plan_stop(ZERO, snapshot(seen("a"), seen("b")))
    assert (plan.steps, plan.unchanged, plan.warnings) == ((), ("web-0 is on no node",), ())


def test_an_agent_that_is_nowhere_is_not_called_stopped_while_a_node_is_silent() -> None:
    plan = plan_stop(ZERO, snapshot(seen("a"), silent("b")))
    assert (plan.steps, plan.unchanged) == ((), ())
    assert plan.warnings == ("web-0 was not found, but b did not answer",)


@pytest.mark.parametrize(
    ("at_once", "waits_for"),
    [
        (1, [None, "web-0", "web-1", "web-2", "web-3"]),
        (2, [None, None, "web-0", "web-1", "web-2"]),
        (9, [None] * 5),
    ],
)
def test_no_more_than_so_many_are_restarted_at_once(at_once, waits_for) -> None:
    there = snapshot(seen("a", *(agent(f"web-{n}", of=WEB) for n in range(5))))
    plan = plan_restart(instances(F), there, at_once=at_once)
    assert [step.action for step in plan.steps] == [Action.RESTART] * 5
    expected = [() if name is None else (f"restart agent {name}@a",) for name in waits_for]
    assert [step.after for step in plan.steps] == expected


def test_a_restart_says_whether_a_new_spec_comes_with_it() -> None:
    there = snapshot(seen("a", agent("web-0", of=WEB), agent("web-1", spec_digest="older")))
    plan = plan_restart(instances(F, "web-0", "web-1"), there, at_once=1)
    assert [step.reason for step in plan.steps] == ["asked for", "its spec has changed"]


def test_a_failed_agent_is_restarted_where_it_is() -> None:
    there = snapshot(seen("a"), seen("b", agent("web-0", AgentState.FAILED)))
    assert keys(plan_restart(instances(F, "web-0"), there, at_once=1)) == ["restart agent web-0@b"]


@pytest.mark.parametrize("living", [AgentState.RUNNING, AgentState.UNKNOWN])
def test_a_failed_copy_beside_a_living_one_is_not_restarted(living: AgentState) -> None:
    there = snapshot(
        seen("a", agent("web-0", AgentState.FAILED)), seen("b", agent("web-0", living))
    )
    assert keys(plan_restart(instances(F, "web-0"), there, at_once=1)) == ["restart agent web-0@b"]


def test_of_two_failed_copies_the_latest_is_restarted() -> None:
    old, new = (agent("web-0", AgentState.FAILED, epoch=epoch) for epoch in (3, 4))
    there = snapshot(seen("a", old), seen("b", new))
    assert keys(plan_restart(instances(F, "web-0"), there, at_once=1)) == ["restart agent web-0@b"]


def test_what_does_not_run_is_not_started_by_a_restart() -> None:
    there = snapshot(seen("a", agent("web-0", AgentState.STOPPED)), seen("b"))
    plan = plan_restart(instances(F, "web-0", "web-1"), there, at_once=1)
    assert plan.steps == ()
    assert plan.warnings == (
        "web-0 is stopped on a; start it with `agents start web-0`",
        "web-1 was found nowhere; start it with `agents start web-1`",
    )


def test_what_may_be_on_a_silent_node_is_not_said_to_be_startable() -> None:
    plan = plan_restart(instances(F, "web-0"), snapshot(seen("a"), silent("b")), at_once=1)
    assert plan.warnings == ("web-0 was found nowhere, but b did not answer",)
