"""Picks: which are made together, and that a choice follows cost, temperature and capacity."""

from __future__ import annotations

from typing import Any

import numpy as np

from phoenixctl.placement.solver.columns import gather
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.grids import Grid
from phoenixctl.placement.solver.picks import Picks, carry_out, choose
from phoenixctl.placement.solver.problem import Apart, describe
from phoenixctl.placement.solver.state import State
from tests.unit.placement.solver.problems import total

NOBODY = 4


def four(at: list[int], **more: Any) -> State:
    """Four agents on four nodes; the later nodes are liked less."""
    liking = {"preference": [[0.0, 1.0, 3.0, 7.0]]}
    problem = describe(np.full((4, 1), 2.0), np.ones((4, 1)), **liking, **more)
    return State(Figures(problem), np.array(at))


def picks(*moves: tuple[int, int, int, int, int]) -> Picks:
    return Picks(*np.array(moves).T)


def test_swaps_moves_and_chains_that_do_not_touch_are_made_at_once() -> None:
    state = four([0, 1, 2, 2])
    before = state.cost
    made = carry_out(state, picks((0, 1, 0, 1, 0), (2, NOBODY, 2, 3, 2)))
    assert made == 2
    assert state.assignment.tolist() == [1, 0, 3, 2]
    assert state.cost == before + 4 == total(state.problem, state.assignment)


def test_in_a_chain_the_second_agent_goes_on() -> None:
    state = four([0, 1, 2, 2])
    assert carry_out(state, picks((0, 1, 0, 1, 3))) == 1
    assert state.assignment.tolist() == [1, 3, 2, 2]
    assert state.cost == total(state.problem, state.assignment)


def test_of_two_picks_that_touch_one_node_only_the_first_is_made() -> None:
    state = four([0, 1, 2, 2])
    assert carry_out(state, picks((0, NOBODY, 0, 3, 0), (2, NOBODY, 2, 3, 2))) == 1
    assert state.assignment.tolist() == [3, 1, 2, 2]


def test_a_pick_that_a_rule_forbids_is_left_out_and_the_others_are_made() -> None:
    state = four([0, 1, 2, 3], group=[0, 0, 1, 1], apart=[Apart((0,), (0,), 1)],
                 partitions=[[0, 1, 1, 0]])  # fmt: skip
    assert carry_out(state, picks((0, 2, 0, 2, 0), (1, 3, 1, 3, 1))) == 0
    assert carry_out(state, picks((0, 3, 0, 3, 0), (1, 2, 1, 2, 1))) == 2
    assert state.assignment.tolist() == [3, 2, 1, 0]


def test_nothing_to_make_changes_nothing() -> None:
    state = four([0, 1, 2, 3])
    assert carry_out(state, picks((0, NOBODY, 0, 1, 0))[np.zeros(1, bool)]) == 0
    assert state.assignment.tolist() == [0, 1, 2, 3]


def chosen(at: list[int], noise: float, **more: Any) -> set[tuple[int, int]]:
    """Who goes to which of two nodes, at a temperature; all would rather be on the first."""
    agents = np.ones((len(at), 1))
    problem = describe([[2.0], [9.0]], agents, preference=[[0.0, 1.0]], **more)
    state, rng = State(Figures(problem), np.array(at)), np.random.default_rng(0)
    columns = gather(state, np.arange(2), state.figures.movable, 4, rng)
    partner = np.array([1, 0])
    costs = Grid(columns.seats, 2).swaps(state, columns, partner)
    scale = (noise * rng.gumbel(size=costs.size)).astype(np.float32)
    found = choose(state, columns, partner, costs, scale, ends=None, retries=4)
    ends = zip([*found.one, *found.two], [*found.middle, *found.end], strict=True)
    return {(int(agent), int(node)) for agent, node in ends if agent != len(at)}


def test_without_heat_the_best_move_is_chosen_and_none_that_costs_more() -> None:
    assert chosen([1], 0.0) == {(0, 0)}
    assert chosen([0], 0.0) == set()


def test_with_heat_a_move_that_costs_more_is_chosen_too() -> None:
    assert chosen([0], 50.0) == {(0, 1)}


def test_what_does_not_fit_is_not_chosen_however_much_it_would_gain() -> None:
    full = {"movable": [False, False, True]}
    assert chosen([0, 0, 1], 0.0, **full) == set()
    assert chosen([0, 1, 1], 0.0, movable=[False, False, True]) == {(2, 0)}
