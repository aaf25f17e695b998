"""Exact answers: proofs that name the rules in the way, and seats that are the best there are."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings

from phoenixctl.model.errors import PhoenixError, UsageError
from phoenixctl.placement.exact import exact_neighbourhood, infeasible
from phoenixctl.placement.solver.evaluate import breaches
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import (
    NOWHERE,
    Apart,
    Ints,
    Problem,
    Skew,
    Spread,
    Together,
    describe,
)
from phoenixctl.placement.solver.state import State
from tests.unit.placement.solver.problems import all_placements, problems, situations, total

pytest.importorskip("ortools", reason="comes with phoenixctl[opt]")

ZONES = [[0, 0, 1, 1]]


def rules_in_the_way(problem: Problem) -> set[tuple[str, int]]:
    proof = infeasible(problem)
    assert proof is not None
    return set(proof.rules)


@settings(max_examples=60, deadline=None)
@given(problems(most_agents=4, most_nodes=3))
def test_what_is_proven_has_no_placement_and_what_has_none_is_proven(problem: Problem) -> None:
    fixed = ~problem.movable & (problem.home != NOWHERE)
    every = [at for at in all_placements(problem) if (at == problem.home)[fixed].all()]
    if every:
        assert infeasible(problem) is None
    elif infeasible(problem) is None:
        # Who is at home may stay there, even where it would not be let in.
        assert not problem.eligible.all()


def test_too_little_of_a_resource_is_named() -> None:
    problem = describe([[10.0, 4.0]] * 2, [[1.0, 3.0]] * 3)
    assert rules_in_the_way(problem) == {("capacity", 1)}


def test_fractions_that_just_fit_are_not_said_not_to() -> None:
    assert infeasible(describe([[0.3]], [[0.1], [0.1], [0.1]])) is None


def test_rules_that_only_together_leave_no_place_are_all_named() -> None:
    problem = describe(
        [[10.0]] * 4, [[1.0]] * 3, group=[0, 0, 0], partitions=ZONES,
        eligible=[[True, True, False, False]], eligible_row=[0],
        apart=[Apart((0,), (0,)), Apart((0,), (0,), 1)],
    )  # fmt: skip
    proof = rules_in_the_way(problem)
    assert proof in ({("apart", 1)}, {("apart", 0), ("eligible", 0)})


@pytest.mark.parametrize(
    ("named", "rules"),
    [
        ("together", {"together": [Together((0,), (1,))]}),
        ("spread", {"spread": [Spread((0,), 1, 2)]}),
        ("skew", {"skew": [Skew((0,), 1)]}),
    ],
)
def test_each_kind_of_rule_is_named(named: str, rules: dict[str, list[object]]) -> None:
    problem = describe(
        [[10.0]] * 4, [[1.0]] * 3, group=[0, 0, 1], partitions=ZONES,
        eligible=[[True, True, False, False], [False, False, True, True], [True] * 4],
        eligible_row=[0, 1], **rules,
    )  # fmt: skip
    if named == "skew":
        # Zone 1 counts only if the group may go there, so it is full instead.
        problem = describe(
            [[10.0], [10.0], [0.0], [0.0]], [[1.0]] * 2, group=[0, 0], partitions=ZONES, **rules
        )
    assert (named, 0) in rules_in_the_way(problem)


def test_agents_that_stay_and_a_limit_on_moves_are_named() -> None:
    stays = describe([[4.0]], [[4.0], [4.0]], home=[0, NOWHERE], movable=[False, True])
    assert ("capacity", 0) in rules_in_the_way(stays)
    apart = [Apart((0,), (0,))]
    few = describe([[4.0]] * 2, [[1.0]] * 2, group=[0, 0], home=[0, 0], most_moves=0, apart=apart)
    assert rules_in_the_way(few) == {("apart", 0), ("moves", 0)}


def test_a_question_that_is_too_large_is_refused() -> None:
    with pytest.raises(UsageError) as refused:
        infeasible(describe(np.ones((100, 1)), np.ones((1000, 1))))
    assert "60 nodes" in refused.value.hint


def test_without_ortools_the_hint_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    with pytest.raises(PhoenixError) as missing:
        infeasible(describe([[1.0]], [[1.0]]))
    assert missing.value.hint == "pip install 'phoenixctl[opt]'"


@settings(max_examples=60, deadline=None)
@given(situations())
def test_new_seats_cost_less_and_break_nothing_further(situation: tuple[Problem, Ints]) -> None:
    problem, at = situation
    state = State(Figures(problem), at)
    before, worst = state.cost, breaches(problem, at)
    gained = exact_neighbourhood(state, np.arange(min(problem.nodes, 3)), seed=0)
    after = state.assignment
    assert (state.cost < before) == gained
    assert (after != at).any() or not gained
    assert total(problem, after) == pytest.approx(state.cost, abs=1e-6)
    assert not breaches(problem, after).worse_than(worst)
    assert (after == at)[~problem.movable].all()


def test_seats_are_the_best_of_all() -> None:
    rng = np.random.default_rng(3)
    need = rng.integers(1, 9, (7, 2)).astype(float)
    preference = rng.integers(0, 9, (7, 3)).astype(float)
    problem = describe(
        np.full((3, 2), 20.0), need, preference=preference, preference_row=np.arange(7)
    )
    best = min(total(problem, at) for at in all_placements(problem))
    start = max(all_placements(problem), key=lambda at: total(problem, at))
    state = State(Figures(problem), start)
    assert exact_neighbourhood(state, np.arange(3), seed=0)
    assert state.cost == pytest.approx(best)
