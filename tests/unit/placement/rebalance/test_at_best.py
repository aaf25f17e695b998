"""What so many moves cannot gain more than, next to trying them all."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.rules import Goal
from phoenixctl.placement.rebalance.aims import aim_at
from phoenixctl.placement.rebalance.at_best import most_gained
from phoenixctl.placement.rebalance.descent import descend
from phoenixctl.placement.solver.evaluate import cost
from phoenixctl.placement.solver.problem import Floats, Ints, Problem
from tests.unit.placement.rebalance.fleets import facts, row
from tests.unit.placement.solver.problems import aparts, problems, pulls

MOVES = 3


def free(problem: Problem, at: Ints) -> float:
    """Without the price of moves."""
    return cost(replace(problem, home=at), at).total


def gained(problem: Problem, at: Ints, moves: int) -> Floats:
    """By trying every placement with so few agents elsewhere."""
    start, may = free(problem, at), np.flatnonzero(problem.movable).tolist()
    best = np.zeros(moves + 1)
    for count in range(1, moves + 1):
        best[count] = best[count - 1]
        for moved in combinations(may, count):
            rows = problem.eligible_row[problem.group[list(moved)]]
            allowed = [np.flatnonzero(problem.eligible[one]).tolist() for one in rows]
            for targets in product(*allowed):
                after = at.copy()
                after[list(moved)] = targets
                best[count] = max(best[count], start - free(problem, after))
    return best


@st.composite
def out_of_balance(draw: st.DrawFn) -> Problem:
    problem = draw(problems(most_agents=6, most_nodes=3))
    home = np.where(problem.home < 0, 0, problem.home)
    more = draw(st.lists(pulls(), max_size=2))
    problem = replace(
        problem, home=home, most_moves=None, transient=np.zeros_like(problem.transient),
        apart=draw(st.lists(aparts(), max_size=1)), pulls=(*problem.pulls, *more),
    )  # fmt: skip
    goal = draw(st.sampled_from(list(Goal)))
    latency = np.array([0.01, 0.2, 0.05])[: problem.nodes]
    return aim_at(goal, problem, facts(problem, latency=latency)).problem


@settings(max_examples=60, deadline=None)
@given(out_of_balance())
def test_no_moves_gain_more_than_the_most(problem: Problem) -> None:
    most = most_gained(problem, problem.home, MOVES)
    assert (gained(problem, problem.home, MOVES) <= most + 1e-9).all()
    assert (np.diff(most) >= 0).all()
    assert most[0] == 0.0


def test_it_is_no_more_than_can_be_where_agents_are_alike() -> None:
    problem = row(6, 0, 0)
    aim = aim_at(Goal.EVEN, problem, facts(problem))
    curve = descend(aim, problem.home, most_hops=4)
    most = most_gained(aim.problem, problem.home, 4)
    reached = [curve.start - stage.cost for stage in curve.stages]
    assert most[1:].tolist() == pytest.approx(reached)


def test_a_node_counts_as_emptied_when_there_are_moves_for_all_its_agents() -> None:
    problem = row(2, 3, 5, room=10)
    aim = aim_at(Goal.CONSOLIDATE, problem, facts(problem))
    each = float(aim.problem.open_cost[0])
    most = most_gained(aim.problem, problem.home, 5)
    assert most.tolist() == pytest.approx([0, 0, each, each, each, 2 * each])
    stuck = replace(aim.problem, movable=np.array([False] + [True] * 9))
    assert most_gained(stuck, problem.home, 5)[2] == 0.0
