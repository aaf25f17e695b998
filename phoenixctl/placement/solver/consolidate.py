"""Using fewer nodes, or cheaper ones: one is emptied after the other.

First those whose agents all find a place elsewhere, so that nobody else moves. Then others have to
give way, which takes a search.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from phoenixctl.placement.solver.bound import price_needed
from phoenixctl.placement.solver.budget import Budget, Curve
from phoenixctl.placement.solver.eject import Ejection
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import NOWHERE, Bools, Floats, Ints, Problem
from phoenixctl.placement.solver.sizes import in_parts, largest, prices
from phoenixctl.placement.solver.state import Move, State

ASKED: Final = 8  # nodes that are tried in turn, those first that hold least for their price
PATIENCE: Final = 1000  # steps for one of them before the next has its turn


@dataclass(frozen=True, slots=True)
class Emptied:
    """A node that was emptied, by these moves made at once; most are its own agents'."""

    node: int
    moves: tuple[Move, ...]


@dataclass(slots=True)
class Consolidation(Curve):
    """The best placement, what its nodes cost, and which moves emptied which node, in order."""

    emptied: list[Emptied] = field(default_factory=list)


def consolidate(
    problem: Problem, at: Ints, budget: Budget, rng: np.random.Generator, *, fewest: int = 0
) -> Consolidation:
    """Empty nodes until the budget is spent, or no placement could do with less.

    An iteration is one try to place an agent. The cost is what the nodes in use cost, or their
    number where they cost nothing. What was placed stays placed, who is nowhere stays there, and
    nothing is broken further than it is. It also ends with `fewest` nodes in use.
    """
    search = _Search(problem, at, budget, rng)
    found = Consolidation(at.copy(), search.price(at))
    found.offer(found.at, found.cost, 0, budget.elapsed())
    least = price_needed(problem, search.prices) if (at != NOWHERE).all() else 0.0
    while found.cost > least * (1 + 1e-9) and _in_use(problem, found.at).sum() > fewest:
        node = search.next_emptied(found.at)
        if node is None:
            break
        after = search.state.assignment
        moved = np.flatnonzero(after != found.at)
        moves = tuple(zip(moved.tolist(), after[moved].tolist(), strict=True))
        found.emptied.append(Emptied(node, moves))
        found.offer(after, search.price(after), search.steps, budget.elapsed())
    return found


class _Search:
    """Tries to empty one node of a state after the other."""

    def __init__(
        self, problem: Problem, at: Ints, budget: Budget, rng: np.random.Generator
    ) -> None:
        self.problem, self.budget, self.rng = problem, budget, rng
        self.state = State(Figures(problem), at)
        self.prices = prices(problem)
        full = largest(problem)
        self.size = in_parts(problem.need, full).sum(axis=1)
        self.room = in_parts(problem.capacity, full).sum(axis=1)
        self.steps = 0

    def price(self, at: Ints) -> float:
        return float(self.prices[_in_use(self.problem, at)].sum())

    def next_emptied(self, at: Ints) -> int | None:
        """Empty one node of those in use where agents are `at`; None if the budget was spent."""
        for node, usable in self._targets(at):
            if self._cleared(at, node, usable):
                return node
        while targets := list(self._targets(at))[:ASKED]:
            for node, usable in targets:
                if self._spent():
                    return None
                if self._repacked(at, node, usable):
                    return node
        return None

    def _cleared(self, at: Ints, node: int, usable: Bools) -> bool:
        """Whether each of its agents, one after the other, found a place that is free."""
        ejection = Ejection(self.state, np.flatnonzero(usable), self.rng)
        if all(ejection.enter(agent) for agent in self._largest_first(at, node)):
            return True
        self._back_to(at)
        return False

    def _repacked(self, at: Ints, node: int, usable: Bools) -> bool:
        """Whether all its agents found a place, and all who gave way for them."""
        state, until = self.state, self.steps + PATIENCE

        def over() -> bool:
            self.steps += 1
            return self.steps > until or self._spent()

        waiting = self._largest_first(at, node)
        leave: list[Move] = [(agent, NOWHERE) for agent in waiting]
        if state.change(leave) is None:
            self.steps += 1
            return False
        placed = Ejection(state, np.flatnonzero(usable), self.rng).place(waiting[::-1], over)
        if placed:
            self._bring_back(at)
        else:
            self._back_to(at)
        return placed

    def _largest_first(self, at: Ints, node: int) -> list[int]:
        agents = np.flatnonzero(at == node)
        ordered: list[int] = agents[np.argsort(-self.size[agents], kind="stable")].tolist()
        return ordered

    def _back_to(self, at: Ints) -> None:
        if (self.state.at[:-1] != at).any():
            self.state.reset(at)

    def _bring_back(self, at: Ints) -> None:
        """Let agents return that moved and need not have."""
        state = self.state
        while True:
            moved = np.flatnonzero(state.at[:-1] != at)
            moved = moved[state.seats.count[at[moved]] > 0]
            back = [a for a in moved.tolist() if state.change([(a, int(at[a]))]) is not None]
            if not back:
                return

    def _targets(self, at: Ints) -> Iterator[tuple[int, Bools]]:
        """Nodes to be emptied, with the nodes that may be used then: those in use, or as well the
        largest of the free ones that are cheaper."""
        used = _in_use(self.problem, at)
        for node in self._emptiest(at, used):
            usable = used.copy()
            usable[node] = False
            yield node, usable
            free = np.flatnonzero(~used & (self.prices < self.prices[node]))
            if free.size:
                another = free[np.lexsort((free, self.prices[free], -self.room[free]))[0]]
                usable = usable.copy()
                usable[another] = True
                yield node, usable

    def _emptiest(self, at: Ints, used: Bools) -> list[int]:
        """Nodes in use without agents that stay, those first that hold least for their price."""
        may_empty = used & (self.prices > 0)
        may_empty[at[~self.problem.movable & (at != NOWHERE)]] = False
        held: Floats = np.zeros(self.problem.nodes)
        placed = at != NOWHERE
        np.add.at(held, at[placed], self.size[placed])
        order = np.lexsort((np.arange(held.size), held / np.maximum(self.prices, 1e-9)))
        nodes: list[int] = order[may_empty[order]].tolist()
        return nodes

    def _spent(self) -> bool:
        return self.budget.spent(self.steps) >= 1


def _in_use(problem: Problem, at: Ints) -> Bools:
    used: Bools = np.bincount(at[at != NOWHERE], minlength=problem.nodes) > 0
    return used
