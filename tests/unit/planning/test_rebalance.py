"""A rebalance as a plan: what moves, in which order, and what is left where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import AgentSpec, Fleet, Guards, Order, Resources, Rollout, Share
from phoenixctl.model.hooks import Drain, SignalHook
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan, Risk
from phoenixctl.model.rules import Goal, Rebalancing
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    NodeObservation,
    NodeUnobserved,
)
from phoenixctl.placement.rebalance.result import Move
from phoenixctl.planning.fingerprint import with_fingerprints
from phoenixctl.planning.known import STATIC
from phoenixctl.planning.rebalance import plan_rebalance
from phoenixctl.planning.scope import Scope
from tests.builders import GiB, agent, fleet, node, seen, silent, snapshot, spec
from tests.unit.planning.changing import after, keys, record, recorded

WEB = spec("web", replicas=4)
SURGING = replace(WEB, rollout=Rollout(order=Order.SURGE))
TWO = (node("a"), node("b"))


def crowded(of: AgentSpec = WEB) -> NodeObservation:
    """All its agents on the first node."""
    return seen("a", *(agent(f"{of.name}-{n}", of=of) for n in range(of.replicas)))


def rebalance(
    f: Fleet,
    *looks: NodeObservation | NodeUnobserved,
    goal: Goal = Goal.EVEN,
    max_moves: int = 10,
    seed: int = 0,
    scope: Scope | None = None,
) -> Plan:
    """The plan, for nodes that exist."""
    state = recorded(*(record(look.name, provider=STATIC) for look in looks))
    return plan_rebalance(
        f, state, snapshot(*looks), {}, Rebalancing(goal, max_moves, 0.001),
        config_digest="c", seed=seed, scope=scope or Scope(),
    ).plan  # fmt: skip


def moving(plan: Plan) -> set[str]:
    return {str(step.agent) for step in plan.steps}


def test_the_old_one_goes_first_where_the_spec_says_so() -> None:
    plan = rebalance(fleet(*TWO, agents=[WEB]), crowded(), seen("b"))
    assert keys(plan) == [
        "drain agent web-0@a", "start agent web-0@b", "drain agent web-1@a", "start agent web-1@b",
    ]  # fmt: skip
    assert after(plan, "start agent web-0@b") == {"drain agent web-0@a"}
    assert plan.notes[0].startswith("each agent of web is down for a moment")
    assert plan.steps[0].risk is Risk.DISRUPTIVE


def test_the_new_one_comes_first_where_the_spec_says_so_and_all_at_once() -> None:
    plan = rebalance(fleet(*TWO, agents=[SURGING]), crowded(SURGING), seen("b"))
    assert after(plan, "start agent web-0@b") == after(plan, "start agent web-1@b") == set()
    assert after(plan, "drain agent web-0@a") == {"start agent web-0@b"}


def test_every_wave_waits_for_the_one_before() -> None:
    plan = rebalance(fleet(*TWO, agents=[WEB]), crowded(), seen("b"))
    assert after(plan, "drain agent web-1@a") == {"start agent web-0@b"}


def test_each_step_says_what_it_is_for_and_what_it_changes() -> None:
    plan = rebalance(fleet(*TWO, agents=[WEB]), crowded(), seen("b"))
    start = next(step for step in plan.steps if step.action is Action.START)
    assert start.reason == "it moves: a has 2 agents instead of 4"
    assert [(c.name, c.before, c.after) for c in start.changes] == [("node", "a", "b")]
    assert start.spec_digest == plan.steps[0].spec_digest


def test_agents_without_a_drain_are_said_to_be_stopped_with_what_they_are_at() -> None:
    plan = rebalance(fleet(*TWO, agents=[SURGING]), crowded(SURGING), seen("b"))
    assert plan.notes == ("agents of web are stopped with what they are at: they have no drain",)
    drained = replace(SURGING, drain=Drain(SignalHook("USR1")))
    assert rebalance(fleet(*TWO, agents=[drained]), crowded(drained), seen("b")).notes == ()


@pytest.mark.parametrize(
    ("left", "why"),
    [
        (agent("web-0", AgentState.FAILED, of=WEB), None),
        (agent("web-0", AgentState.STARTING, of=WEB), "for it does not serve now"),
        (agent("web-0", ready=False, of=WEB), "for it does not serve now"),
        (agent("web-0"), "for it runs an older spec; see: phoenixctl plan"),
    ],
    ids=["failed", "starting", "not ready", "older"],
)
def test_an_agent_that_is_not_well_stays_where_it_is(
    left: AgentObservation, why: str | None
) -> None:
    f = fleet(*TWO, agents=[SURGING])
    others = [agent(f"web-{n}", of=WEB) for n in range(1, 4)]
    plan = rebalance(f, seen("a", left, *others), seen("b"))
    assert moving(plan)
    assert "web-0" not in moving(plan)
    assert why is None or f"web-0: left where it is, {why}" in plan.notes


def test_no_more_are_taken_down_than_may_be() -> None:
    strict = replace(WEB, rollout=Rollout(min_healthy=Share(ratio=1.0)))
    plan = rebalance(fleet(*TWO, agents=[strict]), crowded(strict), seen("b"))
    assert plan.steps == ()
    assert "no more may be down at once; see agents.web.rollout" in plan.notes[0]


def test_one_that_is_down_already_counts_as_taken_down() -> None:
    down = agent("web-3", AgentState.FAILED, of=WEB)
    agents = [agent(f"web-{n}", of=WEB) for n in range(3)]
    plan = rebalance(fleet(*TWO, agents=[WEB]), seen("a", *agents, down), seen("b"))
    assert plan.steps == ()


def test_agents_bound_to_their_node_and_those_on_silent_ones_stay() -> None:
    pinned = spec("web", replicas=4, nodes=["a"])
    assert rebalance(fleet(*TWO, agents=[pinned]), crowded(pinned), seen("b")).steps == ()
    assert rebalance(fleet(*TWO, agents=[WEB]), crowded(), silent("b")).steps == ()
    assert rebalance(fleet(*TWO, agents=[WEB]), silent("a"), seen("b")).steps == ()


def test_targets_narrow_it_to_agents_or_to_those_on_a_node() -> None:
    f = fleet(*TWO, agents=[WEB])
    only = rebalance(f, crowded(), seen("b"), scope=Scope(targets=("agent.web-3",)))
    assert moving(only) == {"web-3"}
    assert rebalance(f, crowded(), seen("b"), scope=Scope(targets=("node.b",))).steps == ()


def test_what_is_excluded_neither_moves_nor_takes() -> None:
    f = fleet(*TWO, node("c"), agents=[WEB])
    looks = (crowded(), seen("b"), seen("c"))
    without = rebalance(f, *looks, scope=Scope(excludes=("agent.web-0", "node.b")))
    assert "web-0" not in moving(without)
    assert {s.node for s in without.steps if s.action is Action.START} == {"c"}


def test_a_name_that_nothing_has_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"agent\.wbe is no agent, node or pool"):
        rebalance(
            fleet(*TWO, agents=[WEB]), crowded(), seen("b"), scope=Scope(targets=("agent.wbe",))
        )


def test_nodes_that_end_up_empty_are_named() -> None:
    f = fleet(*TWO, agents=[SURGING])
    half = [[agent(f"web-{n}", of=SURGING) for n in numbers] for numbers in ((0, 1, 2), (3,))]
    plan = rebalance(f, seen("a", *half[0]), seen("b", *half[1]), goal=Goal.CONSOLIDATE)
    assert moving(plan) == {"web-3"}
    assert plan.notes[-1] == "b has no agent then"


def full(name: str, *agents: str, of: AgentSpec) -> NodeObservation:
    return seen(name, *(agent(a, of=of) for a in agents), cores=6.0, memory=GiB(6))


def test_two_that_cannot_change_places_are_named() -> None:
    slot = {"slots": 1.0}
    cores, memory = (
        replace(SURGING, name=name, replicas=2, resources=asked)
        for name, asked in (
            ("cores", Resources(3.0, None, slot)), ("memory", Resources(None, GiB(3), slot))
        )
    )  # fmt: skip
    nodes = [node(n, resources=Resources(None, None, {"slots": 2.0})) for n in "ab"]
    plan = rebalance(
        fleet(*nodes, agents=[cores, memory]),
        full("a", "cores-0", "cores-1", of=cores),
        full("b", "memory-0", "memory-1", of=memory),
        goal=Goal.RESOURCES,
    )
    assert plan.steps == ()
    places = "would change places, but no node has room for one meanwhile"
    assert f"cores-0 and memory-0 {places}" in plan.notes


def test_it_breaks_no_guard_for_every_agent_comes_back() -> None:
    f = replace(fleet(*TWO, agents=[WEB]), guards=Guards(max_disruption=Share(count=0)))
    assert rebalance(f, crowded(), seen("b")).breaches == ()


def test_nothing_to_do_is_a_plan_without_steps() -> None:
    even = [seen("a", agent("web-0", of=WEB), agent("web-1", of=WEB))]
    even.append(seen("b", agent("web-2", of=WEB), agent("web-3", of=WEB)))
    assert rebalance(fleet(*TWO, agents=[WEB]), *even).steps == ()


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 6), st.booleans())
def test_when_all_steps_are_done_each_agent_runs_once(
    places: Sequence[int], max_moves: int, surge: bool
) -> None:
    of = replace(SURGING if surge else WEB, replicas=len(places))
    names = "abcd"
    where = {f"web-{n}": names[place] for n, place in enumerate(places)}
    looks = [
        seen(name, *(agent(a, of=of) for a, place in where.items() if place == name))
        for name in names
    ]
    plan = rebalance(fleet(*map(node, names), agents=[of]), *looks, max_moves=max_moves)
    assert len(plan.steps) <= 2 * max_moves
    done: set[str] = set()
    copies = set(where.items())
    for step in plan.steps:
        assert set(step.after) <= done
        done.add(step.key)
        one = (str(step.agent), str(step.node))
        if step.action is Action.START:
            copies.add(one)
        else:
            copies.remove(one)
    assert sorted(a for a, _ in copies) == sorted(where)
    assert rebalance(fleet(*map(node, names), agents=[of]), *looks, max_moves=max_moves) == plan


def test_an_agent_that_waits_on_a_spare_node_is_started_and_drained_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    f = fleet(*TWO, node("c"), agents=[WEB])
    looks = (crowded(), seen("b"), seen("c"))
    state = recorded(*(record(look.name, provider=STATIC) for look in looks))
    there = [Move(AgentId("web-0"), *map(NodeName, pair)) for pair in ("ac", "cb")]
    settings = Rebalancing(Goal.EVEN, 9, 0.001)
    look = snapshot(*looks)
    real = plan_rebalance(f, state, look, {}, settings, config_digest="c").found
    by_way = replace(
        real, waves=tuple((move,) for move in there), why=dict.fromkeys(there, "it makes room")
    )
    monkeypatch.setattr("phoenixctl.planning.rebalance.rebalance", lambda *_, **__: by_way)
    plan = plan_rebalance(f, state, look, {}, settings, config_digest="c").plan
    assert keys(plan) == [
        "drain agent web-0@a", "start agent web-0@c", "drain agent web-0@c", "start agent web-0@b",
    ]  # fmt: skip
    assert after(plan, "drain agent web-0@c") == {"start agent web-0@c"}
    assert with_fingerprints(plan, look, state).steps[2].relies_on == {
        "agent.web-0@c": "state=absent"
    }
