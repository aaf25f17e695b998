"""A better placement from a good one: the agents of few nodes at a time are seated exactly anew."""

from __future__ import annotations

from typing import Final

import numpy as np

from phoenixctl.placement.exact import exact_neighbourhood
from phoenixctl.placement.solver.budget import Budget, Curve
from phoenixctl.placement.solver.evaluate import cost
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import NOWHERE, Floats, Ints, Problem
from phoenixctl.placement.solver.state import State

FEWEST: Final = 2  # nodes at a time
MOST: Final = 8
# Agents times nodes at a time. In the same time few seats found twenty times what 1,200 did.
SEATS: Final = 200
SECONDS: Final = 0.2  # deterministic, for each
DEAR: Final = 0.5  # part of the nodes that are drawn by what they cost, the others evenly


def refine(problem: Problem, at: Ints, *, seed: int, budget: Budget) -> Curve:
    """Search for a cheaper placement from the one where agents are `at` these nodes (A,).

    An iteration seats the agents of 2 to 8 nodes anew. No hard constraint is broken further than it
    was at the start, and only movable agents move. PhoenixError without ortools.
    """
    state, rng = State(Figures(problem), at), np.random.default_rng(seed)
    curve = Curve(state.assignment, state.cost)
    curve.offer(curve.at, curve.cost, 0, budget.elapsed())
    iteration = 0
    while budget.spent(iteration) < 1 and problem.nodes > 1:
        nodes = _neighbours(state, rng)
        exact_neighbourhood(state, nodes, seed=int(rng.integers(2**31)), seconds=SECONDS)
        iteration += 1
        if state.cost < curve.cost:
            curve.offer(state.assignment, state.cost, iteration, budget.elapsed())
    # What was added up change by change has roundings in it.
    curve.cost = cost(problem, curve.at).total
    return curve


def _neighbours(state: State, rng: np.random.Generator) -> Ints:
    """Nodes drawn by what they cost and evenly, until their agents have enough seats."""
    price = _prices(state)
    total = float(price.sum())
    even = np.full(price.size, 1 / price.size)
    likely = DEAR * price / total + (1 - DEAR) * even if total > 0 else even
    drawn = rng.choice(price.size, size=min(MOST, price.size), replace=False, p=likely)
    agents = np.cumsum(state.seats.count[drawn])
    fitting = agents * np.arange(1, drawn.size + 1) <= SEATS
    return np.sort(drawn[: max(int(fitting.sum()), FEWEST)])


def _prices(state: State) -> Floats:
    """(N,) what each node costs by its load, and its agents by being there."""
    price: Floats = np.maximum(state.over, 0.0).sum(axis=1)
    at = state.at[:-1]
    placed = np.flatnonzero(at != NOWHERE)
    standing = state.figures.standing(placed, at[placed])
    np.add.at(price, at[placed], np.maximum(standing, 0.0))
    price[state.seats.count > 0] += state.problem.open_cost[state.seats.count > 0]
    return price
