"""The way into the solver: a placement for a problem, and a better one than there is."""

from __future__ import annotations

import numpy as np

from phoenixctl.placement.solver.anneal import Annealing, Manner
from phoenixctl.placement.solver.budget import Budget, Curve, Point
from phoenixctl.placement.solver.construct import construct
from phoenixctl.placement.solver.evaluate import cost
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.insert import insert
from phoenixctl.placement.solver.problem import NOWHERE, Ints, Problem
from phoenixctl.placement.solver.state import State

MANNER = Manner()


def solve(
    problem: Problem, *, seed: int, budget: Budget, at: Ints | None = None, manner: Manner = MANNER
) -> Curve:
    """Place every agent that is nowhere, where one can be, and improve the whole.

    Agents begin `at` these nodes (A,), without it at home. Who has to leave its home, as from a
    node that is gone, begins nowhere. An agent that is in the way of another one moves on, but none
    is stopped: who fits nowhere stays nowhere.
    """
    state = State(Figures(problem), problem.home if at is None else at)
    insert(state, construct(state))
    return improve(problem, state.assignment, seed=seed, budget=budget, manner=manner)


def improve(
    problem: Problem, at: Ints, *, seed: int, budget: Budget, manner: Manner = MANNER
) -> Curve:
    """Search for a cheaper placement from the one where agents are `at` these nodes (A,).

    No hard constraint is broken further than it was at the start, and only movable agents move;
    who is nowhere stays there. With a budget of iterations alone the same seed gives the same
    result.
    """
    state = State(Figures(problem), at)
    if not (problem.movable & (at != NOWHERE)).any():
        return Curve(at.copy(), state.cost, [Point(0, budget.elapsed(), state.cost)])
    curve = Annealing(state, np.random.default_rng(seed), manner).run(budget)
    # What the search added up move by move has roundings in it.
    curve.cost = cost(problem, curve.at).total
    return curve
