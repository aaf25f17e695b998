"""Filling nodes one after the other, so that few are used.

The measures are those of R. Panigrahy, K. Talwar, L. Uyeda and U. Wieder, Heuristics for Vector Bin
Packing (2011): an agent suits a node if its needs point where the node has room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

import numpy as np

from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import NOWHERE, Floats, Ints
from phoenixctl.placement.solver.sizes import TINY, in_parts, largest, prices
from phoenixctl.placement.solver.state import State


class Measure(StrEnum):
    """Which of the agents that fit a node comes next; (A, R) needs, (R,) room and weights."""

    DOT = "dot"  # the largest product of need and room
    DISTANCE = "distance"  # the one after which the least room is left


_MEASURES: Final[dict[Measure, Callable[[Floats, Floats, Floats], Floats]]] = {
    Measure.DOT: lambda need, room, weight: need @ (room * weight),
    Measure.DISTANCE: lambda need, room, weight: -(((room - need) ** 2) @ weight),
}
# With the power of scarcity by which resources count; the three that together are best on the
# instances of Panigrahy et al. and on triplets.
_ATTEMPTS: Final = ((Measure.DOT, 0.0), (Measure.DOT, 3.0), (Measure.DISTANCE, 2.0))


def packed(figures: Figures, at: Ints, *, fewest: int = 0) -> Ints:
    """The best of all measures: fewest agents left over, then the cheapest nodes.

    The agents that are `at` a node stay there; nodes that are used are filled first. With `fewest`
    nodes in use no further measure is tried.
    """
    best: tuple[tuple[int, float], Ints] | None = None
    for measure, weight in _attempts(figures, at):
        state = State(figures, at)
        left = pack(state, measure, weight)
        used = state.seats.count > 0
        rank = left, float(prices(figures.problem)[used].sum())
        if best is None or rank < best[0]:
            best = rank, state.assignment
        if not left and used.sum() <= fewest:
            break
    return at.copy() if best is None else best[1]


def pack(state: State, measure: Measure, weight: Floats) -> int:
    """Fill one node after the other with the agents that are nowhere; says how many are left.

    Every agent that fits a node is considered for it, and the best by the measure enters.
    """
    waiting = np.flatnonzero(state.at[:-1] == NOWHERE)
    full = largest(state.problem)
    need = state.figures.need / full
    for node in _in_turn(state):
        if not waiting.size:
            break
        fitting = waiting
        while (fitting := _fitting(state, fitting, node)).size:
            suits = _MEASURES[measure](need[fitting], in_parts(state.room[node], full), weight)
            entered = _first_let_in(state, fitting[np.argsort(-suits, kind="stable")], node)
            if entered is None:
                break
            fitting = fitting[fitting != entered]
        waiting = waiting[state.at[waiting] == NOWHERE]
    return int(waiting.size)


def _fitting(state: State, agents: Ints, node: int) -> Ints:
    """Those that the node has room for; it never gets more."""
    held = state.figures.holding(agents, np.array(node))
    fitting: Ints = agents[(held <= np.maximum(state.room[node], 0.0)).all(axis=1)]
    return fitting


def _first_let_in(state: State, agents: Ints, node: int) -> int | None:
    """The first of them that no rule keeps away, after it entered."""
    figures, where = state.figures, np.array(node)
    off = figures.ineligible(agents, where)
    off |= state.rules.barred(figures.group[agents], np.array(NOWHERE), where)
    for agent in agents[~off].tolist():
        if state.change([(agent, node)]) is not None:
            return int(agent)
    return None


def _in_turn(state: State) -> list[int]:
    """Nodes in use, then the others, those first that are cheap for their size."""
    size = in_parts(state.problem.capacity, largest(state.problem)).mean(axis=1)
    price = state.problem.open_cost / (size + TINY)
    order = np.lexsort((np.arange(size.size), -size, price, state.seats.count == 0))
    nodes: list[int] = order.tolist()
    return nodes


def _attempts(figures: Figures, at: Ints) -> Iterator[tuple[Measure, Floats]]:
    """Measures with weights of resources: alike, or more the scarcer they are."""
    waiting = figures.need[:-1][at == NOWHERE]
    full = largest(figures.problem)
    share = (waiting / full).mean(axis=0) if waiting.size else np.ones(full.size)
    for measure, scarcity in _ATTEMPTS:
        weight = share**scarcity
        yield measure, weight / (weight.sum() + TINY)
