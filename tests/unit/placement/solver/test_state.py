"""The state: every move adds what the cost computed anew says, and breaks nothing further."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.placement.solver.evaluate import breaches
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import NOWHERE, Ints, Problem
from phoenixctl.placement.solver.state import State
from tests.unit.placement.solver.problems import situations, total


@st.composite
def some_moves(draw: st.DrawFn, problem: Problem) -> list[tuple[int, int]]:
    agents = draw(st.lists(st.integers(0, problem.agents - 1), min_size=1, max_size=3, unique=True))
    return [(agent, draw(st.integers(NOWHERE, problem.nodes - 1))) for agent in agents]


def agrees(state: State) -> None:
    anew = State(state.figures, state.assignment)
    assert state.cost == pytest.approx(anew.cost, abs=1e-6)
    assert np.allclose(state.over, anew.over)
    assert np.allclose(state.room, anew.room)
    assert state.away == anew.away
    for node in range(state.problem.nodes):
        assert set(state.seats.rows[node]) == set(anew.seats.rows[node])


@settings(max_examples=40, deadline=None)
@given(st.data(), situations())
def test_moves_add_what_they_cost_and_never_break_anything_further(
    data: st.DataObject, situation: tuple[Problem, Ints]
) -> None:
    problem, at = situation
    state = State(Figures(problem), at)
    for _ in range(6):
        before, worst = total(problem, state.assignment), breaches(problem, state.assignment)
        added = state.change(data.draw(some_moves(problem)))
        if added is None:
            assert total(problem, state.assignment) == before
        else:
            assert total(problem, state.assignment) == pytest.approx(before + added, abs=1e-6)
        assert not breaches(problem, state.assignment).worse_than(worst)
    agrees(state)


@settings(max_examples=40, deadline=None)
@given(situations())
def test_a_move_of_one_agent_is_refused_exactly_if_it_would_break_something(
    situation: tuple[Problem, Ints],
) -> None:
    problem, at = situation
    figures, worst = Figures(problem), breaches(problem, at)
    state = State(figures, at)
    for agent in range(problem.agents):
        for node in range(problem.nodes):
            after = at.copy()
            after[agent] = node
            worse = breaches(problem, after).worse_than(worst)
            if state.change([(agent, node)]) is None:
                assert worse, (agent, node)
            else:
                assert not worse, (agent, node, worse)
                state = State(figures, at)
