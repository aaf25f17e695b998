"""What does not change while a problem is solved, laid out for quick sums.

Every array of agents has one more row at the end: nobody, who needs nothing and costs nothing.
"""

from __future__ import annotations

import numpy as np

from phoenixctl.placement.solver.evaluate import ROUNDING
from phoenixctl.placement.solver.problem import NOWHERE, Bools, Floats, Ints, Problem, Singles


class Figures:
    """Needs and costs by agent; hinges scaled so that a unit of every column costs one."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.nobody = problem.agents
        self.group = np.append(problem.group, problem.groups)
        self.home = np.append(problem.home, NOWHERE)
        self.need = _with_nobody(problem.need)
        self.lasting = np.where(problem.transient, self.need, 0.0)  # held at home while away
        self.transient = np.flatnonzero(problem.transient)
        self.capacity = problem.capacity + ROUNDING * np.abs(problem.capacity)
        # What a sum of three in single precision may be off, so that the grids do not bar what
        # just fits; whether it does is asked again before a move is made.
        self.blur = 1e-6 * np.where(np.isfinite(problem.capacity), np.abs(problem.capacity), 0.0)
        self.load = _with_nobody(problem.need @ (problem.hinges.mix * problem.hinges.weight))
        self.soft = _scaled_caps(problem, self.load)
        self.load_by_column: Singles = np.ascontiguousarray(self.load.T, np.float32)
        self.need_by_resource: Singles = np.ascontiguousarray(self.need.T, np.float32)
        self.lasting_by_resource: Singles = np.ascontiguousarray(
            self.lasting.T[self.transient], np.float32
        )
        self.movable = np.append(problem.movable, False)
        self._preference_row = np.append(problem.preference_row, 0)
        self._eligible_row = np.append(problem.eligible_row, 0)
        at_home = self.home != NOWHERE
        self._move = np.append(problem.moves.agent, 0.0) * at_home
        # Who has no home comes from a kind of its own, from which every way is free.
        kinds = problem.moves.between.shape[0]
        self._ways = np.append(problem.moves.between, np.zeros(kinds))
        self._kind = problem.moves.kind
        home_kind = np.append(self._kind, 0)[self.home]
        self._way_from = np.where(at_home, home_kind, kinds) * kinds
        self._prefers = bool(problem.preference.any())
        self._choosy = not bool(problem.eligible.all())
        self._moves_cost = bool(problem.moves.agent.any() or problem.moves.between.any())

    def standing(self, agents: Ints, nodes: Ints) -> Floats:
        """What each of these agents costs at its node, by preference and for not being home."""
        total = np.zeros(np.broadcast_shapes(agents.shape, nodes.shape))
        if self._moves_cost:
            way = self._ways.take(self._way_from[agents] + self._kind[nodes])
            total += (self._move[agents] + way) * (self.home[agents] != nodes)
        if self._prefers:
            row = self._preference_row[self.group[agents]]
            total += np.where(agents == self.nobody, 0.0, self.problem.preference[row, nodes])
        return total

    def ineligible(self, agents: Ints, nodes: Ints) -> Bools:
        """Which of these agents may not be at its node, whoever else is there."""
        if not self._choosy:
            return np.zeros(np.broadcast_shapes(agents.shape, nodes.shape), np.bool_)
        row = self._eligible_row[self.group[agents]]
        off: Bools = ~self.problem.eligible[row, nodes] & (agents != self.nobody)
        return off

    def holding(self, agents: Ints, nodes: Ints) -> Floats:
        """(..., R) what agents add to a node by entering it: less at home, where some lasts."""
        held: Floats = self.need[agents]
        if self.transient.size:
            held -= self.lasting[agents] * (self.home[agents] == nodes)[..., None]
        return held


def _scaled_caps(problem: Problem, load: Floats) -> Floats:
    hinges = problem.hinges
    # An infinite cap becomes one that no load reaches, so that differences stay finite.
    beyond = np.abs(load).sum(axis=0) + 1.0
    with np.errstate(invalid="ignore"):
        scaled = np.nan_to_num(hinges.soft * hinges.weight, nan=0.0, posinf=np.inf)
    soft: Floats = np.minimum(scaled, beyond)
    return soft


def _with_nobody(values: Floats) -> Floats:
    return np.vstack([values, np.zeros((1, values.shape[1]))])
