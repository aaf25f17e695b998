"""Temperatures over a budget, and how much of it is spent."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from phoenixctl.placement.solver.budget import Budget, Curve, Point
from phoenixctl.placement.solver.cooling import FEW, MANY, Cooling, heat

COOLING = Cooling(hottest=100.0, coldest=1.0, frozen=0.01, quench=0.2)


def test_a_hot_search_cools_to_coldest_and_in_the_last_part_to_frozen() -> None:
    assert COOLING.temperature(0.0, 1.0) == pytest.approx(100.0)
    assert COOLING.temperature(0.4, 1.0) == pytest.approx(10.0)
    assert COOLING.temperature(0.8, 1.0) == pytest.approx(1.0)
    assert COOLING.temperature(0.9, 1.0) == pytest.approx(0.1)
    assert COOLING.temperature(1.0, 1.0) == pytest.approx(0.01)


def test_a_cold_search_is_frozen_from_the_start_to_the_end() -> None:
    for spent in (0.0, 0.5, 0.9, 1.0):
        assert COOLING.temperature(spent, 0.0) == pytest.approx(0.01)


@pytest.mark.parametrize("warmth", [0.0, 0.2, 0.5, 1.0])
def test_it_never_gets_warmer_again(warmth: float) -> None:
    falling = [COOLING.temperature(spent, warmth) for spent in np.linspace(0, 1, 50)]
    assert all(later <= before * (1 + 1e-9) for before, later in pairwise(falling))


def test_few_moves_of_each_agent_are_not_worth_any_heat_and_many_are_worth_all() -> None:
    assert heat(0.0) == heat(FEW) == 0.0
    assert heat(MANY) == heat(1e9) == 1.0
    assert 0.0 < heat((FEW * MANY) ** 0.5) < 1.0


def test_a_budget_ends_by_iterations_or_by_seconds_whichever_comes_first() -> None:
    both = Budget(iterations=10, seconds=2.0, elapsed=lambda: 1.0)
    assert both.spent(3) == 0.5
    assert both.spent(8) == 0.8
    assert Budget(iterations=10).spent(10) == 1.0
    assert Budget(iterations=0).spent(0) == 1.0
    assert Budget(seconds=0.0).spent(0) == 1.0
    assert Budget().spent(1000) == 0.0


def test_a_budget_foresees_its_iterations_by_their_number_or_by_the_pace_so_far() -> None:
    assert Budget(iterations=10).foreseen(0) == Budget(iterations=10).foreseen(4) == 10.0
    timed = Budget(seconds=2.0, elapsed=lambda: 0.5)
    assert timed.foreseen(0) == np.inf
    assert timed.foreseen(3) == 12.0
    assert Budget().foreseen(7) == np.inf


def test_a_curve_keeps_what_is_better_and_when_it_was_found() -> None:
    first, second, third = (np.array([n]) for n in range(3))
    curve = Curve(first, 9.0)
    curve.offer(first, 9.0, 0, 0.0)
    curve.offer(second, 5.0, 3, 0.1)
    curve.offer(third, 5.0, 4, 0.2)
    assert curve.at is second
    assert curve.points == [Point(0, 0.0, 9.0), Point(3, 0.1, 5.0)]
