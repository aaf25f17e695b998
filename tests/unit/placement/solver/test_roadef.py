"""The benchmark's reader and checker, at an instance small enough to be counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phoenixctl.placement.solver import evaluate
from phoenixctl.placement.solver.budget import Budget
from phoenixctl.placement.solver.evaluate import breaches
from phoenixctl.placement.solver.problem import Ints
from phoenixctl.placement.solver.solve import solve
from tests.benchmarks.roadef import Reference, judged
from tests.benchmarks.roadef_check import cost, violations
from tests.benchmarks.roadef_format import Balance, Instance, parse, parse_assignment, written
from tests.benchmarks.roadef_problem import problem_of

# Four machines in two neighbourhoods and three locations. Service 0 has two processes in two
# locations; service 1 has one, and needs service 0 in its neighbourhood. Resource 0 is transient.
MODEL = """
2
1 10  0 5
4
0 0  10 20  8 15  0 1 4 4
0 1  10 20  8 15  1 0 4 4
1 1  10 20  8 15  4 4 0 1
1 2   6 20  8 15  4 4 1 0
2
2 0
1 1 0
3
0  6 10  3
0  4 10  2
1  3  6  1
1
0 1 3
100
7 50 20
"""
START = [0, 2, 0]


@pytest.fixture
def instance() -> Instance:
    return parse(MODEL, "0 2 0\n")


def test_the_numbers_of_a_model_are_read_in_the_order_of_the_challenge(
    instance: Instance,
) -> None:
    assert [r.transient for r in instance.resources] == [True, False]
    assert instance.machines[3].capacity == [6, 20]
    assert instance.machines[3].location == 2
    assert instance.services[1].needs == [0]
    assert instance.processes[0].requires == [6, 10]
    assert instance.balances == [Balance(have=0, want=1, target=3, weight=100)]
    assert instance.weights.service == 50
    assert instance.initial == START


@pytest.mark.parametrize("change", ["7", " 7 50 20"], ids=["too much", "too little"])
def test_a_model_with_other_than_its_numbers_is_refused(change: str) -> None:
    changed = MODEL + change if len(change) == 1 else MODEL.replace("7 50 20", "7")
    with pytest.raises(ValueError, match=r"too many|before its time"):
        parse(changed, "0 2 0")


def test_an_answer_is_written_as_one_line_that_can_be_read_again() -> None:
    assert written(START) == "0 2 0\n"
    assert parse_assignment(written(START)) == START


def test_the_cost_is_what_it_is_by_hand(instance: Instance) -> None:
    # Machine 0 has 9 of resource 0 and 16 of 1 in use: 1 and 1 above safety. Free are 1 and 4,
    # 10 and 20, 6 and 10, 6 and 20: machine 1 lacks 10 of 3 * 10, machine 2 lacks 8.
    assert cost(instance, START) == 10 * 1 + 5 * 1 + 100 * (10 + 8)
    # Process 2 on 1: 0 has 6 and 10, free 4 and 10, lacks 2; 1 has 3 and 6, free 7 and 14, lacks 7.
    moved = 7 * 1 + 50 * 1 + 20 * 1
    assert cost(instance, [0, 2, 1]) == 100 * (2 + 7 + 8) + moved


def test_the_dearest_service_counts_once_by_its_moved_processes(instance: Instance) -> None:
    free = replace(instance, balances=[])
    moved = 7 * (3 + 2) + 50 * 2 + 20 * (1 + 1)
    assert cost(free, [1, 3, 0]) == moved


@pytest.mark.parametrize(
    ("assignment", "what"),
    [
        ([0, 3, 0], None),
        ([0, 0, 0], "capacity: machine 0 uses 13 of 10 of resource 0"),
        # Process 0 is gone from there and still holds 6.
        ([3, 0, 0], "capacity: machine 0 uses 13 of 10 of resource 0"),
        ([0, 0, 0], "conflict: 2 processes of service 0 on machine 0"),
        ([1, 2, 0], "spread: service 0 is in 1 locations of 2"),
        ([0, 1, 2], "dependency: service 1 lacks 0 in neighbourhood 1"),
        ([0, 4, 0], "there is no machine 4"),
        ([0, -1, 0], "there is no machine -1"),
        ([0, 2], "2 machines for 3 processes"),
    ],
)
def test_the_checker_names_each_kind_of_violation(
    instance: Instance, assignment: list[int], what: str | None
) -> None:
    found = violations(instance, assignment)
    if what is None:
        assert found == []
    else:
        assert any(text.startswith(what) for text in found), found


def test_solver_and_checker_agree_on_every_placement(instance: Instance) -> None:
    problem = problem_of(instance)
    feasible = 0
    for at in np.ndindex(4, 4, 4):
        placed: Ints = np.array(at)
        broken = bool(breaches(problem, placed))
        assert broken == bool(violations(instance, list(at))), at
        if not broken:
            feasible += 1
            assert evaluate.cost(problem, placed).total == cost(instance, list(at))
    assert feasible > 5


def test_the_solver_finds_the_cheapest_of_all_placements(instance: Instance) -> None:
    every = [list(at) for at in np.ndindex(4, 4, 4)]
    least = min(cost(instance, at) for at in every if not violations(instance, at))
    found = solve(problem_of(instance), seed=1, budget=Budget(iterations=300)).at.tolist()
    assert violations(instance, found) == []
    assert cost(instance, found) == least < cost(instance, START)


def test_a_result_that_breaks_a_rule_is_shown_as_such(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(judged.__globals__["REFERENCES"], "own", Reference(bound=1000, s41=1500))
    broken = judged(instance, "own", 3.0, [0, 0, 0])
    assert broken.broken
    assert "not feasible" in str(broken)
    fine = judged(instance, "own", 3.0, START)
    assert fine.to_s41 == pytest.approx(100 * (1815 - 1500) / 1815)
    assert "not feasible" not in str(fine)
