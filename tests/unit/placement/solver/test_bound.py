"""Bounds: no placement is better, and on problems that are made to be tight they are met."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.placement.solver.bound import bound, hopeless, nodes_needed, shortage
from phoenixctl.placement.solver.problem import NOWHERE, Apart, Ints, Problem, describe
from tests.unit.placement.solver.problems import all_placements, arrays, problems, total


def used(at: Ints) -> int:
    return np.unique(at[at != NOWHERE]).size


def all_that_leave_fixed_agents(problem: Problem) -> list[Ints]:
    fixed = ~problem.movable & (problem.home != NOWHERE)
    return [at for at in all_placements(problem) if (at == problem.home)[fixed].all()]


@settings(max_examples=100, deadline=None)
@given(problems(most_agents=4, most_nodes=3))
def test_no_placement_is_better_than_the_bounds(problem: Problem) -> None:
    every = all_that_leave_fixed_agents(problem)
    least, fewest = bound(problem), nodes_needed(problem)
    for at in every:
        assert total(problem, at) >= least - 1e-9
        assert used(at) >= fewest
    if every:
        assert not hopeless(problem).size
        assert not shortage(problem).any()


@st.composite
def packings(draw: st.DrawFn) -> Problem:
    """Nodes of two sizes, one that hardly pays, and agents of which few fit together."""
    agents, nodes = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    ints = draw(arrays())
    large = ints(0, 1, nodes)[:, None]
    return describe(
        10 + large * ints(0, 6, 2),
        ints(2, 8, agents, 2),
        open_cost=ints(1, 9, nodes),
        eligible=ints(0, 3, 2, nodes) > 0,
        eligible_row=ints(0, 1, agents).astype(int),
    )


@settings(max_examples=100, deadline=None)
@given(packings())
def test_no_packing_is_better_than_the_bounds(problem: Problem) -> None:
    least, fewest = bound(problem), nodes_needed(problem)
    for at in all_placements(problem):
        assert total(problem, at) >= least - 1e-9
        assert used(at) >= fewest


def test_a_resource_that_is_full_everywhere_needs_as_many_nodes() -> None:
    assert nodes_needed(describe([[10.0]] * 5, [[5.0]] * 7)) == 4


def test_agents_a_little_larger_than_half_a_node_need_one_each() -> None:
    assert nodes_needed(describe([[10.0]] * 9, [[5.1]] * 7)) == 7


def test_agents_a_little_larger_than_a_third_go_two_by_two() -> None:
    assert nodes_needed(describe([[30.0]] * 9, [[10.5]] * 7)) == 4


def test_small_agents_fit_no_node_that_a_large_one_fills() -> None:
    assert nodes_needed(describe([[10.0]] * 9, [[8.0]] * 3 + [[3.0]] * 3)) == 4


def test_agents_that_exclude_each_other_in_different_resources_need_a_node_each() -> None:
    need = [[6.0, 6.0, 0.0], [6.0, 0.0, 6.0], [0.0, 6.0, 6.0]]
    assert nodes_needed(describe([[10.0] * 3] * 4, need)) == 3


def test_agents_that_must_be_apart_need_a_node_each() -> None:
    problem = describe(
        [[10.0]] * 9, [[1.0]] * 6, group=[0, 0, 0, 1, 1, 1], apart=[Apart((0,), (0, 1))]
    )
    assert nodes_needed(problem) == 4


def test_agents_for_different_nodes_are_counted_apart() -> None:
    eligible = [[True, True, False, False], [False, False, True, True]]
    problem = describe(
        [[10.0]] * 4, [[6.0], [1.0], [1.0]], eligible=eligible, eligible_row=[0, 0, 1]
    )
    assert nodes_needed(problem) == 2


def test_nodes_with_agents_that_stay_are_in_use_anyhow() -> None:
    problem = describe(
        [[10.0]] * 4, [[1.0], [1.0], [10.0]], home=[0, 1, NOWHERE], movable=[False, False, True]
    )
    assert nodes_needed(problem) == 3


def test_large_nodes_hold_more_and_cheap_ones_cost_less() -> None:
    problem = describe([[20.0], [5.0], [5.0]], [[5.0]] * 4, open_cost=[8.0, 1.0, 1.0])
    assert nodes_needed(problem) == 1
    assert bound(problem) == pytest.approx(2 + 8 * 10 / 20, rel=1e-6)


def test_what_fits_nowhere_and_what_is_missing_are_told() -> None:
    problem = describe([[4.0, 4.0], [4.0, 9.0]], [[1.0, 8.0], [5.0, 1.0], [4.0, 9.0]])
    assert hopeless(problem).tolist() == [1]
    assert shortage(problem).tolist() == [2.0, 5.0]
