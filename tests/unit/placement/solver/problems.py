"""Small problems with everything in them, for properties that must hold for all."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TypeAlias

import numpy as np
from hypothesis import strategies as st

from phoenixctl.placement.solver.evaluate import breaches, cost
from phoenixctl.placement.solver.problem import (
    NOWHERE,
    Apart,
    Hinges,
    Ints,
    MoveCosts,
    Problem,
    Pull,
    Skew,
    Spread,
    Together,
    describe,
)

GROUPS = 4
ZONES = 3


Draw: TypeAlias = Callable[..., np.ndarray]
"""Whole numbers from low to high, both included, in an array of a shape."""


@st.composite
def arrays(draw: st.DrawFn) -> Draw:
    """Numbers from a seed: drawn one by one they would take most of the time of a test."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def ints(low: int, high: int, *shape: int) -> np.ndarray:
        return rng.integers(low, high + 1, shape).astype(np.float64)

    return ints


def some_groups(draw: st.DrawFn) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(0, GROUPS - 1), min_size=1, max_size=2, unique=True)))


@st.composite
def problems(draw: st.DrawFn, *, most_agents: int = 9, most_nodes: int = 5) -> Problem:
    ints = draw(arrays())
    agents = draw(st.integers(1, most_agents))
    nodes = draw(st.integers(1, most_nodes))
    zone = ints(0, ZONES - 1, nodes).astype(int)
    home = ints(-1, nodes - 1, agents).astype(int)
    hinges = Hinges(
        mix=ints(-1, 2, 2, 2),
        soft=np.where(ints(0, 9, nodes, 2) == 9, np.inf, ints(0, 12, nodes, 2)),
        weight=ints(0, 3, 2),
    )
    moves = MoveCosts(
        agent=ints(0, 3, agents),
        kind=ints(0, 1, nodes).astype(int),
        between=ints(0, 4, 2, 2),
        group=float(draw(st.integers(0, 2))),
    )
    return describe(
        ints(4, 16, nodes, 2),
        ints(0, 6, agents, 2),
        group=ints(0, GROUPS - 1, agents).astype(int),
        home=home,
        transient=[False, draw(st.booleans())],
        eligible=ints(0, 4, 2, nodes) > 0,
        eligible_row=[0, 1, 0, 1],
        preference=ints(0, 5, 2, nodes),
        preference_row=[1, 0, 0, 1],
        hinges=hinges,
        moves=moves,
        open_cost=ints(0, 3, nodes),
        unplaced_cost=ints(1, 40, agents),
        movable=ints(0, 5, agents) > 0,
        partitions=[zone],
        apart=draw(st.lists(aparts(), max_size=2)),
        together=draw(st.lists(togethers(), max_size=2)),
        spread=draw(st.lists(spreads(), max_size=2)),
        skew=draw(st.lists(skews(), max_size=2)),
        pulls=draw(st.lists(pulls(), max_size=2)),
        most_moves=draw(st.none() | st.integers(0, agents)),
    )  # fmt: skip


@st.composite
def aparts(draw: st.DrawFn) -> Apart:
    return Apart(some_groups(draw), some_groups(draw), draw(st.integers(0, 1)))


@st.composite
def togethers(draw: st.DrawFn) -> Together:
    groups = some_groups(draw)
    others = tuple(group for group in range(GROUPS) if group not in groups)
    asked = draw(st.sampled_from([groups, others[:1], others]))
    return Together(groups, asked, draw(st.integers(0, 1)))


@st.composite
def spreads(draw: st.DrawFn) -> Spread:
    return Spread(some_groups(draw), 1, draw(st.integers(1, ZONES)))


@st.composite
def skews(draw: st.DrawFn) -> Skew:
    return Skew(some_groups(draw), 1, draw(st.integers(1, 2)))


@st.composite
def pulls(draw: st.DrawFn) -> Pull:
    weight = float(draw(st.integers(-3, 3)))
    return Pull(some_groups(draw), some_groups(draw), draw(st.integers(0, 1)), weight)


@st.composite
def placed(draw: st.DrawFn, problem: Problem) -> Ints:
    """Any placement, most often one that breaks something."""
    ints = draw(arrays())
    return ints(NOWHERE, problem.nodes - 1, problem.agents).astype(np.int64)


@st.composite
def situations(draw: st.DrawFn) -> tuple[Problem, Ints]:
    """A problem with a placement; where agents are home, as in a fleet that runs, or anywhere."""
    problem = draw(problems())
    if draw(st.booleans()):
        return problem, problem.home.copy()
    return problem, draw(placed(problem))


def all_placements(problem: Problem) -> list[Ints]:
    """Every placement of all agents that breaks nothing."""
    every = product(range(problem.nodes), repeat=problem.agents)
    return [at for at in map(np.array, every) if not breaches(problem, at)]


def total(problem: Problem, at: Ints) -> float:
    return cost(problem, at).total
