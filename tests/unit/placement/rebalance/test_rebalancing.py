"""A fleet with its rules, rebalanced: what the search finds the filters let through."""

from __future__ import annotations

from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.rules import (
    Affinity,
    AgentSelector,
    Goal,
    Operator,
    Requirement,
    Rules,
    Spread,
)
from phoenixctl.placement.rebalance.result import Rebalance
from phoenixctl.placement.rebalance.simulate import simulate
from tests.builders import agent, fleet, seen, snapshot, spec
from tests.unit.placement.rebalance.running import Running, fleets, running, zoned

WEB = spec("web", replicas=6, cpu=0.5)
GOALS = st.sampled_from(list(Goal))


def ids(name: str, *numbers: int) -> list[str]:
    return [f"{name}-{number}" for number in numbers]


def homes(found: Rebalance) -> dict[str, str]:
    return {move.agent: move.target for move in found.moves}


@settings(max_examples=25, deadline=None)
@given(fleets(), GOALS, st.integers(0, 6))
def test_every_move_of_a_plan_is_let_in_and_harms_nobody_in_any_order(
    of: Running, goal: Goal, max_moves: int
) -> None:
    found = of.rebalanced(goal, max_moves=max_moves)
    assert len(found.moves) <= max_moves
    assert simulate(of.fleet, of.snapshot, found.waves) == ()
    for number, wave in enumerate(found.waves):
        if 1 < len(wave) < 5:
            for order in permutations(wave):
                waves = (*found.waves[:number], order)
                assert simulate(of.fleet, of.snapshot, waves) == ()


def _has_hard_caps(of: Running, agent_id: str) -> bool:
    rules = of.fleet.agents[agent_id.rpartition("-")[0]].rules
    return rules is not None and any(cap.weight is None for cap in rules.caps)


@settings(max_examples=25, deadline=None)
@given(fleets(), GOALS)
def test_the_search_knows_the_rules_that_the_filters_know(of: Running, goal: Goal) -> None:
    refused = [
        refusal.why
        for refusal in of.rebalanced(goal).refused
        if not _has_hard_caps(of, refusal.move.agent)  # a spec's own change with every move
    ]
    assert refused == []


@settings(max_examples=15, deadline=None)
@given(fleets(), GOALS)
def test_the_objective_falls_along_the_curve_and_stays_above_its_bound(
    of: Running, goal: Goal
) -> None:
    found = of.rebalanced(goal, iterations=2)
    costs = [found.start, *(point.objective for point in found.points)]
    assert all(later < earlier for earlier, later in pairwise(costs))
    assert sum(point.gain for point in found.points) == pytest.approx(found.start - found.objective)
    assert found.bound <= found.objective
    assert all(found.bound <= point.bound <= point.objective for point in found.points)
    assert all(later.bound <= earlier.bound for earlier, later in pairwise(found.points))
    assert found.gap == pytest.approx(found.objective - found.bound)
    assert sum(found.after.terms.values()) == pytest.approx(found.objective)


@settings(max_examples=10, deadline=None)
@given(fleets(), GOALS, st.integers(0, 3))
def test_the_same_seed_gives_the_same_plan(of: Running, goal: Goal, seed: int) -> None:
    first, second = (of.rebalanced(goal, seed=seed, iterations=2) for _ in range(2))
    assert first == second


@settings(max_examples=20, deadline=None)
@given(fleets())
def test_nodes_that_are_said_to_be_emptied_are_empty(of: Running) -> None:
    found = of.rebalanced(Goal.CONSOLIDATE, iterations=1)
    went = homes(found)
    left = {went.get(a.id, a.node) for a in of.snapshot.agents()}
    before = {a.node for a in of.snapshot.agents()}
    assert set(found.emptied) == before - left


def test_agents_of_one_node_are_spread_over_all() -> None:
    of = running(zoned(3), [WEB], {"n0": ids("web", *range(6))})
    found = of.rebalanced()
    assert [p.moves for p in found.points] == [1, 2, 3, 4]
    assert found.after.use.most_agents == 2
    assert found.objective == found.bound == 0.0
    assert set(found.why.values()) == {"n0 has 2 agents instead of 6"}


def test_a_reason_says_how_much_of_a_resource_becomes_free() -> None:
    of = running(zoned(2), [WEB], {"n0": ids("web", *range(6))})
    found = of.rebalanced(Goal.RESOURCES)
    assert set(found.why.values()) == {"cpu of n0 falls from 75% to 38%"}


def test_a_reason_says_how_much_sooner_agents_answer() -> None:
    slow = {"n0": {Metric.RESPONSE_P95: 0.3}, "n1": {Metric.RESPONSE_P95: 0.02}}
    of = running(zoned(2), [WEB], {"n0": ["web-0"], "n1": ["web-1"]}, metrics=slow)
    found = of.rebalanced(Goal.LATENCY)
    assert list(found.why.values()) == ["agents on n0 answer in 300 ms, on n1 in 20 ms"]
    assert found.after.objectives["latency"] == 1.0


def test_agents_that_nothing_was_asked_for_are_spread_by_what_they_use() -> None:
    busy = spec("busy", replicas=4)
    using = {AgentMetric.CPU: 1.0}
    f = fleet(*zoned(2), agents=[busy])
    at = [agent(f"busy-{n}", of=busy, metrics=using) for n in range(2)]
    idle = [agent(f"busy-{n}", of=busy, metrics={AgentMetric.CPU: 0.0}) for n in (2, 3)]
    of = Running(f, snapshot(seen("n0", *at), seen("n1", *idle)))
    assert of.rebalanced(Goal.RESOURCES).after.use.fullest["cpu"] == pytest.approx(0.25)


def test_a_cordoned_node_takes_no_agent_and_keeps_its_own() -> None:
    of = running(
        zoned(3), [WEB], {"n0": ids("web", 0, 1, 2), "n1": ids("web", 3, 4, 5)}, cordoned=["n1"]
    )
    assert {(m.source, m.target) for m in of.rebalanced().moves} == {("n0", "n2")}


def test_a_spec_has_no_more_under_way_than_it_allows() -> None:
    of = running(zoned(3), [WEB], {"n0": ids("web", *range(6))})
    assert [len(w) for w in of.rebalanced(at_once={"web": 3}).waves] == [3, 1]
    assert [len(w) for w in of.rebalanced(at_once={"web": 1}).waves] == [1, 1, 1, 1]


def test_agents_that_belong_together_stay_together() -> None:
    rule = Affinity(AgentSelector(specs=("db",)))
    web = spec("web", replicas=2, rules=Rules(affinity=(rule,)))
    db = spec("db", replicas=2)
    of = running(zoned(2), [web, db], {"n0": ["web-0", "web-1", "db-0", "db-1"]})
    went = homes(of.rebalanced())
    assert sorted(agent.partition("-")[0] for agent in went) == ["db", "web"]


def test_zones_stay_as_even_as_they_must() -> None:
    web = spec("web", replicas=4, rules=Rules(spread=(Spread("zone"),)))
    where = {"n0": ids("web", 0, 1), "n1": ids("web", 2, 3)}
    of = running(zoned(4, "x", "y"), [web], where)
    assert sorted((m.source, m.target) for m in of.rebalanced().moves) == [
        ("n0", "n2"), ("n1", "n3")
    ]  # fmt: skip


def test_nothing_is_moved_when_nothing_gains() -> None:
    of = running(zoned(3), [WEB], {f"n{n}": ids("web", n, n + 3) for n in range(3)})
    for goal in (Goal.EVEN, Goal.RESOURCES, Goal.LATENCY):
        found = of.rebalanced(goal)
        assert not found.points
        assert not found.waves


def test_a_fleet_without_agents_is_no_trouble() -> None:
    for goal in Goal:
        found = running(zoned(2), [spec("web", replicas=0)], {}).rebalanced(goal, iterations=5)
        assert found.moves == ()


def test_agents_that_break_a_rule_are_moved_before_anything_else() -> None:
    zone = Requirement("zone", Operator.IN, ("y",))
    there = spec("there", rules=Rules(selector=(zone,)))
    alone = Rules(anti_affinity=(Affinity(AgentSelector(specs=("alone",))),))
    twins = spec("alone", replicas=2, rules=alone)
    where = {"n0": ["there-0"], "n1": [], "n2": ["alone-0", "alone-1"], "n3": []}
    of = running(zoned(4, "x", "y"), [there, twins], where)
    for goal in (Goal.EVEN, Goal.CONSOLIDATE):
        found = of.rebalanced(goal, max_moves=2)
        moves = found.moves
        assert {m.agent for m in moves} in ({"there-0", "alone-0"}, {"there-0", "alone-1"})
        moved = next(m for m in moves if m.agent == "there-0")
        assert moved.target in ("n1", "n3")
        assert found.why[moved] == "it should not be on n0 (selector: needs zone=y, has zone=x)"
