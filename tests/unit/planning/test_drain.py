"""Drains as plans: what moves where and when, what is stopped, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.errors import ExitCode, Refused
from phoenixctl.model.fleet import AgentSpec, Fleet, Order, Rollout, Share
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Plan, Risk, Stopping
from phoenixctl.model.rules import Rules
from phoenixctl.model.snapshot import AgentState, NodeObservation, NodeUnobserved
from phoenixctl.planning.drain import plan_drain
from phoenixctl.planning.known import STATIC
from tests.builders import agent, fleet, node, seen, silent, snapshot, spec
from tests.unit.planning.changing import after, keys, record, recorded

WEB = spec("web", replicas=2)
SURGING = replace(WEB, rollout=Rollout(order=Order.SURGE))
PINNED = spec("db", nodes=["a"])
API = spec("api")
THREE = (node("a"), node("b"), node("c"))


def drain(
    f: Fleet,
    *looks: NodeObservation | NodeUnobserved,
    nodes: str = "a",
    stop: Stopping | None = None,
    grace_seconds: float | None = None,
) -> Plan:
    """The plan, for hosts that exist; `nodes` has a letter for each that is drained."""
    state = recorded(*(record(look.name, provider=STATIC) for look in looks))
    return plan_drain(
        [NodeName(letter) for letter in nodes], f, state, snapshot(*looks), {},
        stop=stop, grace_seconds=grace_seconds,
    )  # fmt: skip


def webs(of: AgentSpec = WEB, *states: AgentState) -> NodeObservation:
    """Node a with both of them."""
    found = states or (AgentState.RUNNING, AgentState.RUNNING)
    return seen("a", *(agent(f"web-{n}", state, of=of) for n, state in enumerate(found)))


def test_the_node_is_cordoned_first_and_an_agent_goes_before_it_comes() -> None:
    plan = drain(fleet(*THREE, agents=[WEB]), webs(), seen("b"), seen("c"))
    assert keys(plan) == [
        "cordon node a", "drain agent web-0@a", "start agent web-0@b", "drain agent web-1@a",
        "start agent web-1@c",
    ]  # fmt: skip
    assert after(plan, "drain agent web-0@a") == {"cordon node a"}
    assert {"cordon node a", "drain agent web-0@a"} == after(plan, "start agent web-0@b")
    assert [plan.steps[0].risk, plan.steps[1].risk] == [Risk.SAFE, Risk.DISRUPTIVE]
    assert plan.notes[0].startswith("each agent of web is down for a moment")
    assert plan.breaches == ()


def test_no_more_of_a_spec_are_down_at_once_than_its_rollout_allows() -> None:
    plan = drain(fleet(*THREE, agents=[WEB]), webs(), seen("b"), seen("c"))
    assert "start agent web-0@b" in after(plan, "drain agent web-1@a")
    both = replace(WEB, rollout=Rollout(max_unavailable=Share(count=2)))
    plan = drain(fleet(*THREE, agents=[both]), webs(both), seen("b"), seen("c"))
    assert after(plan, "drain agent web-1@a") == {"cordon node a"}


def test_a_surging_agent_is_ready_elsewhere_before_it_goes() -> None:
    plan = drain(fleet(*THREE, agents=[SURGING]), webs(SURGING), seen("b"), seen("c"))
    assert "cordon node a" in after(plan, "start agent web-0@b")
    assert "start agent web-0@b" in after(plan, "drain agent web-0@a")


def test_nodes_that_are_drained_together_give_each_other_nothing() -> None:
    looks = (seen("a", agent("web-0", of=WEB)), seen("b", agent("web-1", of=WEB)), seen("c"))
    plan = drain(fleet(*THREE, agents=[WEB]), *looks, nodes="ab")
    starts = [s.node for s in plan.steps if s.action is Action.START]
    assert (starts, plan.title) == (["c", "c"], "drain a, b")


def test_what_fits_nowhere_forbids_the_drain_and_says_what_can_be_done() -> None:
    f = fleet(*THREE, agents=[API, PINNED])
    looks = (seen("a", agent("db-0", of=PINNED), agent("api-0", of=API)), seen("b"), seen("c"))
    [breach] = drain(f, *looks).breaches
    assert breach.guard == "no_other_place"
    assert "db-0 fits on no node: b (" in breach.what
    assert breach.hint == (
        "phoenixctl explain db-0; to stop what has no other place:"
        " phoenixctl nodes drain a --stop unplaced"
    )


def test_only_what_fits_nowhere_is_stopped_when_that_is_asked_for() -> None:
    f = fleet(*THREE, agents=[API, PINNED])
    looks = (seen("a", agent("db-0", of=PINNED), agent("api-0", of=API)), seen("b"), seen("c"))
    plan = drain(f, *looks, stop=Stopping.UNPLACED)
    assert plan.breaches == ()
    assert {"drain agent db-0@a", "drain agent api-0@a", "start agent api-0@b"} < set(keys(plan))
    assert not any(step.agent == "db-0" and step.action is Action.START for step in plan.steps)
    assert any(note.startswith("db-0 is stopped: db-0 fits on no node") for note in plan.notes)


def test_all_are_stopped_at_once_when_that_is_asked_for() -> None:
    plan = drain(fleet(*THREE, agents=[WEB]), webs(), seen("b"), stop=Stopping.ALL)
    assert keys(plan) == ["cordon node a", "drain agent web-0@a", "drain agent web-1@a"]
    assert after(plan, "drain agent web-1@a") == {"cordon node a"}


def test_a_budget_that_lets_none_go_forbids_the_drain() -> None:
    never = replace(WEB, rollout=Rollout(max_unavailable=Share(count=0)))
    plan = drain(fleet(*THREE, agents=[never]), webs(never), seen("b"))
    assert [breach.guard for breach in plan.breaches] == ["max_unavailable"]
    assert "agents.web.rollout" in plan.breaches[0].what


def test_nobody_elsewhere_gives_way_to_what_is_drained() -> None:
    winner = spec("win", cpu=3.0, rules=Rules(priority=10, preempts=True))
    other = spec("low", cpu=3.0)
    looks = (seen("a", agent("win-0", of=winner)), seen("b", agent("low-0", of=other)))
    plan = drain(fleet(*THREE[:2], agents=[winner, other]), *looks)
    assert [breach.guard for breach in plan.breaches] == ["no_other_place"]
    assert {step.node for step in plan.steps} == {"a"}


def test_what_was_cut_off_after_the_stop_starts_elsewhere() -> None:
    half = replace(
        webs(WEB, AgentState.STOPPED, AgentState.RUNNING), cordon=seen("a", cordoned="drain").cordon
    )
    plan = drain(fleet(*THREE, agents=[WEB]), half, seen("b"), seen("c"))
    assert {"start agent web-0@b", "drain agent web-1@a"} < set(keys(plan))
    assert "drain agent web-0@a" not in keys(plan)
    assert "a is cordoned" in plan.unchanged


def test_what_was_cut_off_after_the_start_is_only_drained() -> None:
    here = seen("a", agent("web-0", of=SURGING), cordoned="drain")
    there = seen("b", agent("web-0", of=SURGING, epoch=2))
    plan = drain(fleet(*THREE, agents=[SURGING]), here, there)
    assert [(s.key, s.reason) for s in plan.steps] == [("drain agent web-0@a", "it runs on b")]


def test_one_that_is_not_ready_elsewhere_yet_is_waited_for() -> None:
    here = seen("a", agent("web-0", of=SURGING), cordoned="drain")
    there = seen("b", agent("web-0", of=SURGING, epoch=2, ready=False))
    plan = drain(fleet(*THREE, agents=[SURGING]), here, there)
    assert keys(plan) == ["start agent web-0@b", "drain agent web-0@a"]
    assert after(plan, "drain agent web-0@a") == {"start agent web-0@b"}


def test_a_second_drain_has_nothing_to_do() -> None:
    here = seen("a", agent("web-0", AgentState.STOPPED, of=WEB), cordoned="drain")
    done = (here, seen("b", agent("web-0", of=WEB)))
    assert drain(fleet(*THREE, agents=[WEB]), *done).steps == ()
    stopped = drain(fleet(*THREE, agents=[WEB]), here, seen("b"), stop=Stopping.ALL)
    assert (stopped.steps, stopped.unchanged) == ((), ("a is cordoned", "web-0 is stopped"))


def test_what_somebody_has_stopped_before_the_drain_stays_stopped() -> None:
    here = seen("a", agent("web-0", AgentState.STOPPED, of=WEB))
    assert keys(drain(fleet(*THREE, agents=[WEB]), here, seen("b"))) == ["cordon node a"]


def test_what_nobody_wants_any_more_just_ends() -> None:
    plan = drain(fleet(*THREE, agents=[WEB]), seen("a", agent("old-0"), agent("web-7")), seen("b"))
    assert keys(plan) == ["cordon node a", "drain agent old-0@a", "drain agent web-7@a"]
    assert plan.breaches == ()


def test_a_node_that_does_not_answer_is_not_drained() -> None:
    with pytest.raises(Refused, match="a does not answer") as refused:
        drain(fleet(*THREE, agents=[WEB]), silent("a"), seen("b"))
    assert refused.value.exit_code is ExitCode.REFUSED
    assert refused.value.hint == "phoenixctl doctor --nodes a"


def test_a_deadline_takes_the_place_of_the_agents_own_and_the_plan_says_so() -> None:
    plan = drain(fleet(*THREE, agents=[WEB]), webs(), seen("b"), grace_seconds=5.0)
    step = next(step for step in plan.steps if step.action is Action.DRAIN)
    assert step.grace_seconds == 5.0
    assert step.reason == "a is drained, with the deadline given instead of its own"
    own = drain(fleet(*THREE, agents=[WEB]), webs(), seen("b"))
    assert {step.grace_seconds for step in own.steps} == {None}
