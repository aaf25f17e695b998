"""The grids: what they say of many moves at once is what each costs when it is made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.placement.solver.columns import BARRED, Columns, gather, sample_nodes
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.grids import Grid, find_ends
from phoenixctl.placement.solver.problem import Ints, Problem, describe, soft_caps
from phoenixctl.placement.solver.state import State
from tests.unit.placement.solver.problems import situations, total


def by_themselves(problem: Problem) -> Problem:
    """The same without anything that makes two agents cost other than one and one."""
    return replace(
        problem,
        transient=np.zeros(2, bool),
        moves=replace(problem.moves, group=0.0),
        apart=(),
        together=(),
        spread=(),
        skew=(),
        pulls=(),
        most_moves=None,
    )


def laid_out(problem: Problem, at: Ints, seed: int) -> tuple[State, Columns, Ints]:
    """Every node once, each with the next one as its partner."""
    state, nodes = State(Figures(problem), at), np.arange(problem.nodes)
    columns = gather(state, nodes, state.figures.movable, 9, np.random.default_rng(seed))
    return state, columns, np.roll(nodes, 1)


def moved(columns: Columns, at: Ints, *moves: tuple[int, int]) -> Ints:
    """`at`, with agents at other nodes; nobody, behind the last, is left out."""
    after = np.append(at, 0)
    for agent, node in moves:
        after[agent] = node
    return after[:-1]


@settings(max_examples=30, deadline=None)
@given(situations(), st.integers(0, 99))
def test_a_swap_costs_what_the_grid_says(situation: tuple[Problem, Ints], seed: int) -> None:
    problem, at = by_themselves(situation[0]), situation[1]
    state, columns, partner = laid_out(problem, at, seed)
    costs = Grid(columns.seats, problem.nodes).swaps(state, columns, partner)
    before = total(problem, at)
    for i, j, k in np.argwhere(costs < BARRED / 2):
        one, two = columns.agents[i, k], columns.agents[j, partner[k]]
        after = moved(columns, at, (one, columns.nodes[partner[k]]), (two, columns.nodes[k]))
        assert total(problem, after) - before == pytest.approx(costs[i, j, k], abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(situations(), st.integers(0, 99))
def test_a_chain_costs_what_the_grid_says(situation: tuple[Problem, Ints], seed: int) -> None:
    problem, at = by_themselves(situation[0]), situation[1]
    state, columns, partner = laid_out(problem, at, seed)
    ends = find_ends(state, columns, 3, np.random.default_rng(seed))
    costs = Grid(columns.seats, problem.nodes).chains(state, columns, partner, ends)
    before, nobody = total(problem, at), state.figures.nobody
    for i, j, k in np.argwhere(costs < BARRED / 2):
        one, two = columns.agents[i, k], columns.agents[j, partner[k]]
        assert (one == nobody) == (two == nobody)
        after = moved(
            columns, at, (one, columns.nodes[partner[k]]), (two, ends.node[j, partner[k]])
        )
        assert total(problem, after) - before == pytest.approx(costs[i, j, k], abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(situations(), st.integers(0, 99))
def test_a_move_of_one_agent_is_barred_exactly_if_it_would_break_a_rule(
    situation: tuple[Problem, Ints], seed: int
) -> None:
    roomy = np.full_like(situation[0].capacity, np.inf)
    problem = replace(situation[0], capacity=roomy, most_moves=None)
    state, columns, partner = laid_out(problem, situation[1], seed)
    costs = Grid(columns.seats, problem.nodes).swaps(state, columns, partner)
    for i, k in np.argwhere(columns.agents[:-1] != state.figures.nobody):
        node = int(columns.nodes[partner[k]])
        if node != columns.nodes[k]:
            alone = State(state.figures, situation[1])
            refused = alone.change([(int(columns.agents[i, k]), node)]) is None
            assert (costs[i, -1, k] > BARRED / 2) == refused


def test_half_of_the_nodes_are_those_that_cost_most() -> None:
    dear = np.array([3, 500, 777])
    at = np.concatenate([np.arange(1000), np.repeat(dear, 9)])
    problem = describe(
        np.full((1000, 1), 99.0), np.ones((at.size, 1)), hinges=soft_caps(np.full((1000, 1), 2.0))
    )
    rng = np.random.default_rng(0)
    samples = [sample_nodes(State(Figures(problem), at), 40, rng) for _ in range(20)]
    assert all(np.unique(sample).size == 40 for sample in samples)
    seen = np.bincount(np.concatenate(samples), minlength=1000)
    assert (seen[dear] >= 18).all()
    assert (np.delete(seen, dear) > 0).sum() > 300
