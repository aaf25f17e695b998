"""Few hops: each stage gains more than its hops cost, and can be made when those before it are."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings

from phoenixctl.model.rules import Goal
from phoenixctl.placement.rebalance.aims import aim_at
from phoenixctl.placement.rebalance.chains import changing_places
from phoenixctl.placement.rebalance.curve import Curve, follow
from phoenixctl.placement.rebalance.descent import descend, search
from phoenixctl.placement.rebalance.offers import Offers
from phoenixctl.placement.rebalance.walk import Walk
from phoenixctl.placement.solver.evaluate import breaches, cost, load
from phoenixctl.placement.solver.problem import Apart, Floats, Ints, Problem, Skew, describe
from tests.unit.placement.rebalance.fleets import Situation, facts, row, situations

ITERATIONS = 4


def found(situation: Situation) -> Curve:
    return search(
        situation.aim, situation.at, most_hops=situation.most_hops, seed=3, iterations=ITERATIONS
    )


def rebalanced(
    goal: Goal,
    problem: Problem,
    *,
    most_hops: int = 50,
    latency: Floats | None = None,
    prices: object = 1.0,
) -> Ints:
    seen = facts(problem, latency=latency, prices=prices)
    aim = aim_at(goal, problem, seen, move_cost=0.001)
    curve = search(aim, problem.home, most_hops=most_hops, seed=0, iterations=ITERATIONS)
    return follow(problem.home, curve.hops)


def counts(problem: Problem, at: Ints) -> list[int]:
    return [int(count) for count in np.bincount(at, minlength=problem.nodes)]


@settings(max_examples=50, deadline=None)
@given(situations())
def test_the_goal_comes_nearer_with_every_stage_by_more_than_its_hops_cost(
    situation: Situation,
) -> None:
    problem, at = situation.aim.problem, situation.at
    price = float(problem.moves.agent.max())
    free = replace(problem, moves=replace(problem.moves, agent=np.zeros(problem.agents)))
    curve = found(situation)
    before = cost(free, at).total
    assert curve.start == pytest.approx(before, abs=1e-9)
    for stage in curve.stages:
        at = follow(at, stage.hops)
        assert cost(free, at).total == pytest.approx(stage.cost, abs=1e-9)
        assert before - stage.cost > price * len(stage.hops)
        before = stage.cost


@settings(max_examples=50, deadline=None)
@given(situations())
def test_no_hop_breaks_anything_further_while_the_agent_is_on_both_nodes(
    situation: Situation,
) -> None:
    problem, at = situation.aim.problem, situation.at
    curve = found(situation)
    assert len(curve.hops) <= situation.most_hops
    for hop in curve.hops:
        assert at[hop.agent] == hop.source != hop.target
        assert problem.movable[hop.agent]
        used, worst = load(problem, at), breaches(problem, at)
        room = np.maximum(problem.capacity[hop.target] - used[hop.target], 0)
        assert (problem.need[hop.agent] <= room + 1e-9).all()
        at = follow(at, (hop,))
        assert not breaches(problem, at).worse_than(worst)


@settings(max_examples=50, deadline=None)
@given(situations())
def test_the_same_seed_finds_the_same_hops(situation: Situation) -> None:
    assert found(situation) == found(situation)


@settings(max_examples=30, deadline=None)
@given(situations())
def test_the_cost_is_never_below_the_bound(situation: Situation) -> None:
    aim, curve = situation.aim, found(situation)
    after = follow(situation.at, curve.hops)
    if not breaches(aim.problem, after):
        assert aim.least() <= curve.cost / aim.problem.agents + 1e-9


def test_agents_are_spread_evenly_with_as_few_hops_as_can_be() -> None:
    problem = row(6, 0, 0)
    aim = aim_at(Goal.EVEN, problem, facts(problem), move_cost=0.001)
    curve = descend(aim, problem.home, most_hops=50)
    assert counts(problem, follow(problem.home, curve.hops)) == [2, 2, 2]
    assert len(curve.hops) == 4
    assert curve.cost == pytest.approx(0.0)


def test_the_fullest_node_is_relieved_first() -> None:
    problem = row(3, 9, 4, 0)
    aim = aim_at(Goal.EVEN, problem, facts(problem), move_cost=0.001)
    first = descend(aim, problem.home, most_hops=1).hops[0]
    assert (first.source, first.target) == (1, 3)


def test_an_even_fleet_is_left_alone() -> None:
    problem = row(2, 2, 3)
    for goal in (Goal.EVEN, Goal.RESOURCES):
        assert counts(problem, rebalanced(goal, problem)) == [2, 2, 3]


def test_never_more_hops_than_allowed() -> None:
    assert counts(row(9, 0), rebalanced(Goal.EVEN, row(9, 0), most_hops=2)) == [7, 2]


def test_nodes_with_more_room_take_more_of_the_load() -> None:
    problem = describe(
        [[4.0], [12.0]], np.ones((8, 1)), group=np.zeros(8, int), home=[0] * 4 + [1] * 4
    )
    assert counts(problem, rebalanced(Goal.RESOURCES, problem)) == [2, 6]


def two_full_nodes_and(spare: float) -> Problem:
    """Neither node has room for one more; each has two agents that want the same of it."""
    return describe(
        [[6.0, 6.0, 2.0], [6.0, 6.0, 2.0], [6.0, 6.0, spare]],
        [[3.0, 0.0, 1.0], [3.0, 0.0, 1.0], [0.0, 3.0, 1.0], [0.0, 3.0, 1.0]],
        home=[0, 0, 1, 1],
    )


def test_two_agents_change_places_by_way_of_a_third_node() -> None:
    problem = two_full_nodes_and(spare=1.0)
    aim = aim_at(Goal.RESOURCES, problem, facts(problem))
    walk = Walk(aim.problem, problem.home, hops=3)
    hops = changing_places(walk, Offers(walk.state), 1, 2)
    assert walk.go(hops)
    assert len(hops) == 3
    assert walk.state.assignment.tolist() == [0, 1, 0, 1]


def test_without_a_spare_node_nobody_changes_places() -> None:
    problem = two_full_nodes_and(spare=0.0)
    aim = aim_at(Goal.RESOURCES, problem, facts(problem), move_cost=0.001)
    curve = descend(aim, problem.home, most_hops=9)
    assert curve.hops == ()
    assert (0, 2) in curve.blocked


def test_agents_leave_slow_nodes() -> None:
    problem = row(4, 2, 2)
    at = rebalanced(Goal.LATENCY, problem, latency=np.array([0.2, 0.01, 0.01]))
    assert counts(problem, at)[0] == 0


def test_agents_stay_where_the_latency_is_not_known() -> None:
    problem = row(4, 2, 2)
    at = rebalanced(Goal.LATENCY, problem, latency=np.array([np.nan, 0.01, 0.01]))
    assert counts(problem, at) == [4, 2, 2]


def test_the_dearest_nodes_are_emptied_first_and_altogether() -> None:
    problem = row(2, 3, 2, room=5)
    at = rebalanced(Goal.CONSOLIDATE, problem, prices=[1.0, 1.0, 4.0])
    assert counts(problem, at) == [4, 3, 0] or counts(problem, at) == [2, 5, 0]


def test_a_node_is_not_emptied_in_part() -> None:
    problem = row(4, 5, room=7)
    assert counts(problem, rebalanced(Goal.CONSOLIDATE, problem)) == [4, 5]


def test_a_node_with_an_agent_that_must_stay_is_not_emptied() -> None:
    problem = replace(row(1, 4, room=9), movable=np.array([False, *[True] * 4]))
    assert counts(problem, rebalanced(Goal.CONSOLIDATE, problem)) == [5, 0]


def test_rules_hold_for_those_that_move() -> None:
    apart = replace(row(2, 1, 0), apart=(Apart((0,), (0,)),))
    assert counts(apart, rebalanced(Goal.EVEN, apart)) == [1, 1, 1]
    zones = np.array([0, 0, 1])
    skewed = replace(
        row(2, 0, 2), partitions=(np.arange(3), zones), skew=(Skew((0,), partition=1),)
    )
    assert counts(skewed, rebalanced(Goal.EVEN, skewed)) in ([1, 1, 2], [2, 0, 2])


def test_a_hop_must_be_worth_its_price() -> None:
    problem = row(5, 3)
    aim = aim_at(Goal.EVEN, problem, facts(problem), move_cost=5.0)
    assert not descend(aim, problem.home, most_hops=5).stages


def best_of_all(problem: Problem, at: Ints, hops: int) -> float:
    """The least cost of any placement that differs for so many agents, and breaks nothing."""
    worst, best = breaches(problem, at), cost(problem, at).total
    for moved in combinations(range(problem.agents), hops):
        for targets in product(range(problem.nodes), repeat=hops):
            after = at.copy()
            after[list(moved)] = targets
            if not breaches(problem, after).worse_than(worst):
                best = min(best, cost(problem, after).total)
    return best


def test_it_finds_nearly_all_that_trying_everything_would() -> None:
    rng, found, possible = np.random.default_rng(5), 0.0, 0.0
    for _ in range(8):
        need = np.column_stack([rng.choice([1.0, 2.0, 3.0], 6), rng.choice([1.0, 2.0, 4.0], 6)])
        at = rng.integers(0, 3, 6)
        problem = describe(np.full((3, 2), need.sum(axis=0) / 2 + 1), need, home=at)
        aim = aim_at(Goal.RESOURCES, problem, facts(problem))
        curve = search(aim, at, most_hops=2, seed=0, iterations=40)
        found += curve.start - curve.cost
        possible += curve.start - best_of_all(aim.problem, at, 2)
    assert found >= 0.97 * possible
