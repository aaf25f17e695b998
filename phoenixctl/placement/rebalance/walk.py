"""A placement on which hops are made, one after the other, as far as nothing hard forbids it."""

from __future__ import annotations

from collections.abc import Sequence

from phoenixctl.placement.rebalance.hops import Hop, Stage
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import Ints, Problem
from phoenixctl.placement.solver.state import State


class Walk:
    """Where every agent is now. `price` is what a hop must be worth, `left` how many there may be.

    A hop needs room where it goes while all agents that were there before still are.
    """

    def __init__(self, problem: Problem, at: Ints, *, hops: int) -> None:
        self.state = State(Figures(problem), at)
        self.problem = problem
        self.price = float(problem.moves.agent.max(initial=0.0))
        self.left = hops
        self.fresh = problem.movable & (problem.home == at)  # agents that have not moved yet
        self.blocked: list[tuple[int, int]] = []  # would change places if one could wait somewhere

    @property
    def cost(self) -> float:
        """The goal's alone."""
        return self.state.cost - self.price * self.state.away

    def go(self, hops: Sequence[Hop]) -> bool:
        """Make these hops in their order; False, and none is made, if one of them cannot be."""
        if len(hops) > self.left:
            return False
        before = self.state.assignment
        for number, hop in enumerate(hops):
            if self.state.change([(hop.agent, hop.target)]) is None:
                if number:
                    self.state.reset(before)
                return False
        return True

    def gain(self, hops: Sequence[Hop]) -> bool:
        """The same for hops that must be worth it together."""
        before, cost = self.state.assignment, self.cost
        if not self.go(hops):
            return False
        if cost - self.cost > self.price * len(hops) * (1 + 1e-9):
            return True
        self.state.reset(before)
        return False

    def keep(self, hops: Sequence[Hop]) -> Stage:
        """What was just made stays so."""
        self.left -= len(hops)
        self.fresh[[hop.agent for hop in hops]] = False
        self.state.refresh()
        return Stage(tuple(hops), self.cost)

    def back_to(self, at: Ints) -> None:
        self.state.reset(at)
