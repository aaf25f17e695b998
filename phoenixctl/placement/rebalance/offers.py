"""What every node would cost every kind of agent that came to it."""

from __future__ import annotations

from typing import Final

import numpy as np

from phoenixctl.placement.solver.problem import Bools, Floats, Ints
from phoenixctl.placement.solver.state import State

CELLS: Final = 4_000_000  # numbers in one go, so that memory stays small


class Offers:
    """`enter` (C, N) for the C kinds of agents: those of one kind have equal needs and rules.

    Infinite where the node has no room or is not for them. Rules about who else is there, and the
    price of the move itself, are not in it.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        problem = state.problem
        traits = np.column_stack([problem.group, problem.need])
        _, first, kind = np.unique(traits, axis=0, return_index=True, return_inverse=True)
        self.kind: Ints = kind.reshape(-1)
        self.example: Ints = first
        self.group: Ints = problem.group[first]
        self.eligible: Bools = problem.eligible[problem.eligible_row[self.group]]
        self.preference: Floats = problem.preference[problem.preference_row[self.group]]
        self.enter: Floats = np.zeros((first.size, problem.nodes))
        self.renew(np.arange(problem.nodes))

    def renew(self, nodes: Ints) -> None:
        """Agents came to these nodes, or went."""
        state, kinds = self.state, self.example.size
        step = max(1, CELLS // max(1, nodes.size * (state.over.shape[1] + state.room.shape[1])))
        for start in range(0, kinds, step):
            rows = slice(start, start + step)
            agents = self.example[rows][:, None]
            nobody = np.full((1, nodes.size), state.figures.nobody)
            cost = state.load_change(nodes[None, :], nobody, agents)
            cost += self.preference[rows][:, nodes]
            cost += np.where(state.seats.count[nodes] == 0, state.problem.open_cost[nodes], 0.0)
            takes = state.fits(nodes[None, :], nobody, agents) & self.eligible[rows][:, nodes]
            self.enter[rows, nodes] = np.where(takes, cost, np.inf)

    def leaving(self) -> Floats:
        """(A,) what the goal gains when one agent leaves its node."""
        state, problem = self.state, self.state.problem
        agents = np.arange(problem.agents)
        at = state.at[:-1]
        nobody = np.full(agents.shape, state.figures.nobody)
        gained = self.preference[self.kind, at] - state.load_change(at, agents, nobody)
        gained += np.where(state.seats.count[at] == 1, problem.open_cost[at], 0.0)
        alone: Floats = gained
        return alone
