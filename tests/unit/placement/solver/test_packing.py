"""Packing from nothing: who fits best comes next."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from phoenixctl.placement.solver.evaluate import breaches
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.packing import packed
from phoenixctl.placement.solver.problem import NOWHERE, Apart, Ints, Problem, describe
from phoenixctl.placement.solver.sizes import in_parts, largest, shares
from tests.unit.placement.solver.problems import situations


def from_nothing(problem: Problem) -> Ints:
    return packed(Figures(problem), np.full(problem.agents, NOWHERE))


@settings(max_examples=200, deadline=None)
@given(situations())
def test_packing_breaks_nothing_further_and_moves_nobody(situation: tuple[Problem, Ints]) -> None:
    problem, at = situation
    after = packed(Figures(problem), at)
    assert (after == at)[at != NOWHERE].all()
    assert not breaches(problem, after).worse_than(breaches(problem, at))


def test_agents_that_need_different_resources_share_a_node() -> None:
    at = from_nothing(
        describe([[10.0, 10.0]] * 4, [[9.0, 1.0], [9.0, 1.0], [1.0, 9.0], [1.0, 9.0]])
    )
    assert np.unique(at).size == 2


def test_nodes_that_are_cheap_for_their_size_are_filled_first() -> None:
    at = from_nothing(describe([[4.0], [8.0]], [[1.0]] * 3, open_cost=[1.0, 3.0]))
    assert at.tolist() == [0, 0, 0]


def test_agents_that_must_be_apart_get_a_node_each() -> None:
    at = from_nothing(describe([[9.0]] * 3, [[1.0]] * 3, group=[0] * 3, apart=[Apart((0,), (0,))]))
    assert sorted(at.tolist()) == [0, 1, 2]


def test_who_fits_nowhere_is_left_and_does_not_keep_others_out() -> None:
    assert from_nothing(describe([[4.0]], [[5.0], [3.0]])).tolist() == [NOWHERE, 0]


def test_unlimited_resources_say_nothing_about_size() -> None:
    problem = describe([[4.0, np.inf], [8.0, np.inf]], [[2.0, 99.0], [4.0, 1.0]])
    assert shares(problem).tolist() == [0.25, 0.5]
    assert in_parts(problem.capacity, largest(problem)).tolist() == [[0.5, 0.0], [1.0, 0.0]]
    assert from_nothing(problem).tolist() == [1, 1]
