"""The search: it ends with something that costs no more, breaks nothing, and is the same again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.placement.solver.anneal import Annealing, Manner
from phoenixctl.placement.solver.budget import Budget
from phoenixctl.placement.solver.evaluate import breaches, cost, held
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import (
    NOWHERE,
    Apart,
    Ints,
    MoveCosts,
    Problem,
    Pull,
    Skew,
    Together,
    describe,
    soft_caps,
)
from phoenixctl.placement.solver.solve import improve, solve
from phoenixctl.placement.solver.state import State
from tests.unit.placement.solver.problems import problems, situations, total

SHORT = Budget(iterations=25)
SMALL = Manner(width=16)  # as there are few nodes


def agrees(state: State) -> None:
    anew = State(state.figures, state.assignment)
    assert state.cost == pytest.approx(anew.cost, abs=1e-6)
    assert np.allclose(state.over, anew.over)
    assert np.allclose(state.room, anew.room)
    assert state.away == anew.away
    for node in range(state.problem.nodes):
        assert set(state.seats.rows[node]) == set(anew.seats.rows[node])


@settings(max_examples=25, deadline=None)
@given(situations(), st.integers(0, 99))
def test_improving_costs_no_more_breaks_nothing_further_and_moves_only_who_may(
    situation: tuple[Problem, Ints], seed: int
) -> None:
    problem, at = situation
    curve = improve(problem, at, seed=seed, budget=SHORT, manner=SMALL)
    assert curve.cost == cost(problem, curve.at).total
    assert curve.cost <= total(problem, at) + 1e-9
    assert not breaches(problem, curve.at).worse_than(breaches(problem, at))
    assert ((curve.at == at) | problem.movable).all()
    assert ((curve.at == NOWHERE) == (at == NOWHERE)).all()


@settings(max_examples=25, deadline=None)
@given(situations(), st.integers(0, 99))
def test_at_every_moment_the_sums_are_right_and_nothing_is_broken_further(
    situation: tuple[Problem, Ints], seed: int
) -> None:
    """Looked at between any two iterations, also on a way that leads nowhere."""
    problem, at = situation
    state, broken = State(Figures(problem), at), breaches(problem, at)
    search = Annealing(state, np.random.default_rng(seed), Manner(hottest=2.0, width=16))

    def look() -> float:
        agrees(search.state)
        assert not breaches(problem, search.state.assignment).worse_than(broken)
        return 0.0

    search.run(Budget(iterations=12, elapsed=look))


@settings(max_examples=25, deadline=None)
@given(problems())
def test_solving_breaks_nothing_that_is_whole_at_home(problem: Problem) -> None:
    curve = solve(problem, seed=0, budget=SHORT, manner=SMALL)
    before = breaches(problem, problem.home)
    assert not breaches(problem, curve.at).worse_than(before)
    assert ((curve.at != NOWHERE) | (problem.home == NOWHERE)).all()
    assert ((curve.at == problem.home) | problem.movable | (problem.home == NOWHERE)).all()


@settings(max_examples=25, deadline=None)
@given(situations(), st.integers(0, 99))
def test_the_same_seed_gives_the_same_placement(situation: tuple[Problem, Ints], seed: int) -> None:
    problem, at = situation
    first, second = (improve(problem, at, seed=seed, budget=SHORT, manner=SMALL) for _ in range(2))
    assert first.at.tolist() == second.at.tolist()
    assert first.points == second.points


def lopsided(*, movers: int, price: float) -> Problem:
    """300 agents at home on 60 nodes, five on each; `movers` others crowd the first one."""
    home = np.append(np.arange(300) % 60, np.zeros(movers, np.int64))
    agents = home.size
    return describe(
        np.full((60, 1), 40.0),
        np.ones((agents, 1)),
        home=home,
        hinges=soft_caps(np.full((60, 1), 6.0)),
        moves=MoveCosts(np.full(agents, price), np.zeros(60, np.int64), np.zeros((1, 1))),
    )


def test_a_short_search_moves_those_that_are_in_the_way_and_hardly_any_others() -> None:
    problem = lopsided(movers=20, price=0.01)
    curve = improve(problem, problem.home, seed=3, budget=Budget(iterations=40))
    moved = int((curve.at != problem.home).sum())
    assert cost(problem, curve.at).load.sum() == 0.0
    assert 19 <= moved <= 25


def test_no_more_agents_are_moved_than_may_be() -> None:
    problem = describe_again(lopsided(movers=20, price=0.01), most_moves=7)
    curve = improve(problem, problem.home, seed=3, budget=Budget(iterations=40))
    assert int((curve.at != problem.home).sum()) == 7
    assert curve.cost < total(problem, problem.home) - 5


def test_an_agent_that_moves_is_counted_at_home_too_while_it_does() -> None:
    """Two full nodes cannot swap, though each agent would rather be where the other is."""
    wish = {"preference": [[1.0, 0.0], [0.0, 1.0]], "preference_row": [0, 1]}
    apart = describe([[4.0], [4.0]], [[4.0], [4.0]], home=[0, 1], **wish)
    swapped = improve(apart, apart.home, seed=0, budget=SHORT)
    assert swapped.at.tolist() == [1, 0]
    both = describe([[4.0], [4.0]], [[4.0], [4.0]], home=[0, 1], transient=[True], **wish)
    assert improve(both, both.home, seed=0, budget=SHORT).at.tolist() == [0, 1]
    wide = describe([[8.0], [8.0]], [[4.0], [4.0]], home=[0, 1], transient=[True], **wish)
    found = improve(wide, wide.home, seed=0, budget=SHORT).at
    assert found.tolist() == [1, 0]
    assert held(wide, found).tolist() == [[8.0], [8.0]]


def test_agents_go_where_all_terms_together_cost_least() -> None:
    """Three pairs that attract each other, replicas apart and even over zones, dear nodes."""
    problem = describe(
        np.full((6, 1), 4.0),
        np.ones((6, 1)),
        group=[0, 0, 0, 1, 1, 1],
        partitions=[[0, 0, 1, 1, 2, 2]],
        apart=[Apart((0,), (0,)), Apart((1,), (1,))],
        skew=[Skew((0,), 1)],
        pulls=[Pull((0,), (1,), 0, -2.0)],
        open_cost=[3.0, 1.0, 1.0, 3.0, 3.0, 1.0],
        unplaced_cost=100.0,
    )
    curve = solve(problem, seed=0, budget=Budget(iterations=200))
    assert sorted(curve.at[:3].tolist()) == sorted(curve.at[3:].tolist()) == [1, 2, 5]
    assert curve.cost == 3 - 6


def test_an_agent_follows_the_one_it_needs() -> None:
    problem = describe(
        np.full((4, 1), 2.0),
        np.ones((2, 1)),
        group=[0, 1],
        home=[0, 1],
        partitions=[[0, 0, 1, 1]],
        together=[Together((1,), (0,), 1)],
        preference=[[9.0, 9.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]],
        preference_row=[0, 1],
    )
    curve = improve(problem, problem.home, seed=0, budget=Budget(iterations=100))
    assert curve.cost == 9.0  # neither can go first, and no move takes both


def test_who_fits_nowhere_stays_nowhere_and_the_others_are_placed() -> None:
    problem = describe([[4.0], [4.0]], [[5.0], [3.0], [3.0], [2.0]])
    curve = solve(problem, seed=0, budget=SHORT)
    assert curve.at[0] == curve.at[3] == NOWHERE
    assert sorted(curve.at[1:3].tolist()) == [0, 1]
    assert curve.cost == 2.0


def test_a_problem_without_agents_or_without_a_choice_is_solved() -> None:
    assert solve(describe([[1.0]], np.zeros((0, 1))), seed=0, budget=SHORT).at.size == 0
    assert solve(describe([[1.0]], [[1.0]]), seed=0, budget=SHORT).at.tolist() == [0]
    nothing = describe(np.zeros((0, 1)), [[1.0]])
    assert solve(nothing, seed=0, budget=SHORT).at.tolist() == [NOWHERE]


def describe_again(problem: Problem, *, most_moves: int) -> Problem:
    return describe(
        problem.capacity,
        problem.need,
        home=problem.home,
        hinges=problem.hinges,
        moves=problem.moves,
        most_moves=most_moves,
    )


def test_a_swap_that_fits_exactly_is_found_though_costs_are_compared_in_single_precision() -> None:
    """Agent 0 takes the whole room of node 1; both hold something at home, and cannot pass."""
    for tenths in range(1, 10):
        problem = describe(
            [[1.1], [1.1], [2.0], [2.0]],
            [[1.1], [tenths / 10]],
            home=[2, 3],
            transient=[True],
            preference=[[9.0, 0.0, 9.0, 9.0], [0.0, 9.0, 9.0, 9.0]],
            preference_row=[0, 1],
            eligible=[[True, True, False, False]],
        )
        found = improve(problem, np.array([0, 1]), seed=0, budget=SHORT)
        assert found.at.tolist() == [1, 0], tenths
