"""Consolidation: fewer or cheaper nodes, nothing broken further, and few moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from phoenixctl.placement.solver.budget import Budget
from phoenixctl.placement.solver.consolidate import Consolidation, consolidate
from phoenixctl.placement.solver.evaluate import breaches
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.packing import packed
from phoenixctl.placement.solver.problem import NOWHERE, Apart, Ints, Problem, Skew, describe
from tests.unit.placement.solver.problems import situations


def consolidated(problem: Problem, at: Ints, *, iterations: int = 300) -> Consolidation:
    return consolidate(problem, at, Budget(iterations=iterations), np.random.default_rng(0))


def price(problem: Problem, at: Ints) -> float:
    used = np.unique(at[at != NOWHERE])
    return float(problem.open_cost[used].sum()) if problem.open_cost.any() else used.size


@settings(max_examples=120, deadline=None)
@given(situations())
def test_every_emptied_node_costs_less_and_breaks_nothing_further(
    situation: tuple[Problem, Ints],
) -> None:
    problem, start = situation
    found = consolidated(problem, start, iterations=40)
    at, worst = start.copy(), breaches(problem, start)
    for step in found.emptied:
        before = price(problem, at)
        for agent, node in step.moves:
            assert problem.movable[agent]
            assert at[agent] != NOWHERE != node
            at[agent] = node
        assert step.node not in at
        assert price(problem, at) < before
        assert not breaches(problem, at).worse_than(worst)
        worst = breaches(problem, at)
    assert (at == found.at).all()
    assert found.cost == pytest.approx(price(problem, found.at))


@settings(max_examples=30, deadline=None)
@given(situations())
def test_the_same_seed_gives_the_same_moves(situation: tuple[Problem, Ints]) -> None:
    first, second = (consolidated(*situation, iterations=40) for _ in range(2))
    assert first.emptied == second.emptied


def test_a_node_is_emptied_by_moving_its_own_agents_alone_where_they_fit() -> None:
    problem = describe([[10.0]] * 3, [[5.0], [4.0], [5.0], [2.0], [1.0]])
    found = consolidated(problem, np.array([0, 0, 1, 2, 2]))
    assert found.cost == 2
    (step,) = found.emptied
    assert step.node == 2
    assert {agent for agent, _ in step.moves} == {3, 4}


def test_others_give_way_where_the_agents_of_a_node_fit_nowhere_as_they_are() -> None:
    problem = describe([[10.0]] * 3, [[5.0], [3.0], [5.0], [3.0], [4.0]])
    found = consolidated(problem, np.array([0, 0, 1, 1, 2]))
    assert found.cost == 2


def test_it_ends_at_the_bound_without_a_search() -> None:
    problem = describe([[10.0]] * 3, [[6.0], [6.0], [6.0]])
    found = consolidated(problem, np.array([0, 1, 2]), iterations=10**9)
    assert found.cost == 3
    assert not found.emptied


def test_agents_that_stay_keep_their_node_in_use() -> None:
    problem = describe([[10.0]] * 2, [[1.0], [1.0]], movable=[False, False])
    assert consolidated(problem, np.array([0, 1])).cost == 2


def test_a_free_node_that_is_cheaper_takes_the_place_of_a_dear_one() -> None:
    problem = describe([[10.0]] * 3, [[8.0], [8.0]], open_cost=[9.0, 1.0, 2.0])
    found = consolidated(problem, np.array([0, 2]))
    assert found.at.tolist() == [1, 2]
    assert found.cost == 3


def test_replicas_stay_apart_and_evenly_spread() -> None:
    problem = describe(
        [[10.0]] * 6, [[2.0]] * 6, group=[0, 0, 0, 0, 1, 1], partitions=[[0, 0, 0, 1, 1, 1]],
        apart=[Apart((0,), (0,))], skew=[Skew((0,), 1)],
    )  # fmt: skip
    found = consolidated(problem, np.array([0, 1, 3, 4, 2, 5]))
    assert found.cost == 4
    assert not breaches(problem, found.at)


def test_no_more_agents_move_than_are_allowed() -> None:
    start = np.array([0, 0, 1, 1, 2, 2])
    problem = describe([[4.0]] * 3, [[1.0]] * 6, home=start, most_moves=1)
    assert consolidated(problem, start).cost == 3


def test_triplets_that_no_measure_packs_well_are_packed_perfectly() -> None:
    rng = np.random.default_rng(5)
    cuts = np.sort(rng.uniform(0.15, 0.85, (8, 2)), axis=1)
    parts = np.stack([cuts[:, 0], cuts[:, 1] - cuts[:, 0], 1 - cuts[:, 1]], axis=1).reshape(-1, 1)
    problem = describe(np.ones((24, 1)), rng.permutation(parts))
    at = packed(Figures(problem), np.full(24, NOWHERE))
    assert np.unique(at).size > 8
    assert consolidated(problem, at, iterations=3000).cost == 8
