"""Small fleets as problems, out of balance, with rules that hold or do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from phoenixctl.model.rules import Goal
from phoenixctl.placement.rebalance.aims import Aim, Facts, aim_at
from phoenixctl.placement.rebalance.waves import Budgets
from phoenixctl.placement.solver.problem import Floats, Ints, Problem, describe
from tests.unit.placement.solver.problems import problems

TARGET_SECONDS = 0.05


def facts(problem: Problem, *, latency: Floats | None = None, prices: object = 1.0) -> Facts:
    """What agents need is what they bring; every node is as quick as is wanted."""
    nodes = problem.nodes
    return Facts(
        resources=tuple(f"r{number}" for number in range(problem.need.shape[1])),
        loads=problem.need,
        totals=problem.capacity,
        latency_seconds=np.full(nodes, 0.01) if latency is None else latency,
        target_seconds=TARGET_SECONDS,
        prices=np.broadcast_to(np.asarray(prices, np.float64), nodes),
    )


def row(*counts: int, room: int = 100) -> Problem:
    """Nodes with so many agents on each, all alike."""
    at = np.repeat(np.arange(len(counts)), counts)
    return describe(
        np.full((len(counts), 1), float(room)),
        np.ones((at.size, 1)),
        group=np.zeros(at.size, np.int64),
        home=at,
    )


@dataclass(frozen=True, slots=True)
class Situation:
    """A fleet that wants to be rebalanced."""

    aim: Aim
    at: Ints
    most_hops: int
    budgets: Budgets


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    problem = draw(problems(most_agents=10))
    home = np.where(problem.home < 0, 0, problem.home)
    problem = replace(
        problem, home=home, most_moves=None, transient=np.zeros_like(problem.transient), pulls=()
    )
    latency = np.array(
        draw(st.lists(st.sampled_from([0.01, 0.1, np.nan]), min_size=problem.nodes,
                      max_size=problem.nodes))
    )  # fmt: skip
    move_cost = draw(st.sampled_from([0.0, 0.001, 0.05]))
    goal = draw(st.sampled_from(list(Goal)))
    return Situation(
        aim_at(goal, problem, facts(problem, latency=latency), move_cost=move_cost),
        home,
        draw(st.integers(0, 8)),
        Budgets(problem.group, draw(st.lists(st.integers(1, 3), min_size=4, max_size=4))),
    )
