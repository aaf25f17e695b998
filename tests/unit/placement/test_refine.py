"""Refining: exact seats on few nodes at a time make a placement better and break nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from phoenixctl.placement.refine import refine
from phoenixctl.placement.solver.budget import Budget
from phoenixctl.placement.solver.evaluate import breaches
from phoenixctl.placement.solver.problem import Ints, Problem, describe, soft_caps
from tests.unit.placement.solver.problems import situations, total

pytest.importorskip("ortools", reason="comes with phoenixctl[opt]")


@settings(max_examples=30, deadline=None)
@given(situations())
def test_a_refined_placement_is_no_dearer_and_breaks_nothing_further(
    situation: tuple[Problem, Ints],
) -> None:
    problem, at = situation
    curve = refine(problem, at, seed=0, budget=Budget(iterations=3))
    assert curve.cost == pytest.approx(total(problem, curve.at), abs=1e-6)
    assert curve.cost <= total(problem, at) + 1e-6
    assert not breaches(problem, curve.at).worse_than(breaches(problem, at))


def test_a_load_that_could_be_even_becomes_even_and_the_same_each_time() -> None:
    need = np.array([[5.0], [4.0], [3.0], [3.0], [3.0], [6.0], [1.0], [5.0]])
    problem = describe(np.full((3, 1), 30.0), need, hinges=soft_caps(np.full((3, 1), 10.0)))
    first, second = (
        refine(problem, np.zeros(8, np.int64), seed=1, budget=Budget(iterations=4))
        for _ in range(2)
    )
    assert first.cost == 0
    assert (first.at == second.at).all()
