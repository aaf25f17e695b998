"""Agents that matter less give way to one that fits nowhere else, and go elsewhere if they fit."""

from __future__ import annotations

from dataclasses import replace

from phoenixctl.model.fleet import Guards, Order, Rollout, Share
from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Plan
from phoenixctl.model.rules import Rules
from phoenixctl.planning.lifecycle import plan_start
from tests.builders import GiB, agent, fleet, instances, node, seen, silent, snapshot, spec
from tests.unit.planning.changing import after, changes, guards_broken, keys, record, recorded

VIP = spec("vip", memory=GiB(6), rules=Rules(priority=10, preempts=True))
WEB = spec("web", memory=GiB(5))


def reason(plan: Plan, key: str) -> str:
    return next(step.reason for step in plan.steps if step.key == key)


def test_a_running_agent_gives_way_and_the_plan_says_to_whom() -> None:
    f = fleet(node("a"), agents=[VIP, WEB])
    plan = changes(f, seen("a", agent("web-0", of=WEB)))
    assert keys(plan) == ["drain agent web-0@a", "start agent vip-0@a"]
    assert reason(plan, "drain agent web-0@a") == "it makes room for vip-0"
    assert after(plan, "start agent vip-0@a") == {"drain agent web-0@a"}
    assert plan.warnings == (
        "web-0 makes room for vip-0; web-0 fits on no node: a (memory: needs 5GiB, has 2GiB)",
    )


def test_it_moves_if_another_node_has_room_for_it_in_the_order_of_its_rollout() -> None:
    f = fleet(node("a"), node("b"), agents=[VIP, WEB])
    looks = seen("a", agent("web-0", of=WEB)), seen("b", memory=GiB(5))
    plan = changes(f, *looks)
    assert keys(plan) == ["drain agent web-0@a", "start agent vip-0@a", "start agent web-0@b"]
    assert after(plan, "start agent web-0@b") == {"drain agent web-0@a"}
    assert plan.warnings == ()
    surging = replace(WEB, rollout=Rollout(Order.SURGE))
    plan = changes(replace(f, agents={"vip": VIP, "web": surging}), *looks)
    assert after(plan, "drain agent web-0@a") == {"start agent web-0@b"}
    assert after(plan, "start agent vip-0@a") == {"drain agent web-0@a"}


def test_nobody_gives_way_to_one_that_does_not_preempt_or_matters_no_more() -> None:
    there = seen("a", agent("web-0", of=WEB))
    for rules in (Rules(priority=10), Rules(preempts=True)):
        f = fleet(node("a"), agents=[replace(VIP, rules=rules), WEB])
        plan = changes(f, there)
        assert keys(plan) == []
        assert plan.warnings == ("vip-0 fits on no node: a (memory: needs 6GiB, has 3GiB)",)


def test_no_more_of_a_spec_give_way_than_its_rollout_lets_be_down() -> None:
    small = spec("web", replicas=2, memory=GiB(3))
    f = fleet(node("a"), agents=[VIP, small])
    plan = changes(f, seen("a", agent("web-0", of=small), agent("web-1", of=small)))
    assert keys(plan) == []


def test_who_gives_way_is_not_updated_as_well() -> None:
    old = replace(WEB, env={"LEVEL": "debug"})
    f = fleet(node("a"), agents=[VIP, WEB])
    plan = changes(f, seen("a", agent("web-0", of=old)))
    assert keys(plan) == ["drain agent web-0@a", "start agent vip-0@a"]


def test_what_gives_way_stays_when_the_other_one_is_not_started() -> None:
    f = fleet(node("a"), node("b"), agents=[VIP, WEB])
    looks = seen("a", agent("web-0", of=WEB)), seen("b", memory=GiB(5))
    plan = changes(f, *looks, targets=("agent.vip-0",))
    assert keys(plan) == ["drain agent web-0@a", "start agent vip-0@a", "start agent web-0@b"]


def test_the_guards_count_who_gives_way_for_good() -> None:
    f = fleet(node("a"), agents=[VIP, WEB])
    plan = changes(f, seen("a", agent("web-0", of=WEB)), guards=Guards(max_disruption=Share(0)))
    assert guards_broken(plan) == ["max_disruption"]


def test_an_agent_of_a_dead_node_takes_room_elsewhere_by_the_same_rules() -> None:
    f = fleet(node("a"), node("dead"), agents=[VIP, WEB])
    state = recorded(
        *(record(name, provider="static") for name in ("a", "dead")), agents={"vip-0": "dead"}
    )
    looks = seen("a", agent("web-0", of=WEB)), silent("dead")
    assert keys(changes(f, *looks, state=state)) == []
    plan = changes(f, *looks, state=state, assume_dead=frozenset({"dead"}))
    assert keys(plan) == ["drain agent web-0@a", "start agent vip-0@a"]


def test_starting_one_by_hand_stops_who_gives_way_first_and_starts_it_elsewhere() -> None:
    f = fleet(node("a"), node("b"), agents=[VIP, WEB])
    s = snapshot(seen("a", agent("web-0", of=WEB)), seen("b", memory=GiB(5)))
    plan = plan_start(instances(f, "vip-0"), f, s)
    assert keys(plan) == ["stop agent web-0@a", "start agent vip-0@a", "start agent web-0@b"]
    assert reason(plan, "start agent web-0@b") == "it makes room for vip-0"
    assert after(plan, "start agent vip-0@a") == {"stop agent web-0@a"}
    assert after(plan, "start agent web-0@b") == {"stop agent web-0@a"}
    assert AgentId("web-0") in {step.agent for step in plan.steps}
