"""Agents enter nodes that are full: others give way to them, and look for a place themselves.

Guided ejection search after Nagata and Bräysy (2009): an agent that often found no place is sent
away less often, so that those are sent away that go elsewhere easily. Now and then agents change
places at random, which leaves room where there was none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from phoenixctl.placement.solver.picks import Picks, carry_out
from phoenixctl.placement.solver.problem import NOWHERE, Bools, Floats, Ints
from phoenixctl.placement.solver.sizes import in_parts, largest
from phoenixctl.placement.solver.state import Move, State

TRIED: Final = 4  # of the ways to let an agent in, those in which least trouble is made
PAIRS: Final = 60  # of agents that could leave a node together
EASY: Final = 2.0  # trouble of one agent up to which no pairs are looked at
SHUFFLED: Final = 24  # pairs of nodes that agents are exchanged between at once
SEATS: Final = 8  # of a node, in such an exchange
PAUSE: Final = 4  # steps from one to the next


class Ejection:
    """A search on some nodes of a state, which it changes."""

    def __init__(self, state: State, nodes: Ints, rng: np.random.Generator) -> None:
        figures = state.figures
        self.state, self.nodes, self.rng = state, nodes, rng
        self.open = np.zeros(state.problem.nodes + 1, np.bool_)  # the last one is nowhere
        self.open[nodes] = True
        self.movable = np.flatnonzero(figures.movable)
        self.full = largest(state.problem)
        size = (figures.need / self.full).mean(axis=1)
        self.size = 1e-3 * size / max(float(size.max(initial=0.0)), 1e-9)
        # How often each agent found no place; who may not be moved is never sent away.
        self.trouble = np.where(figures.movable, 1.0, np.inf)
        # Where moves are counted, none is for nothing.
        self.restless = state.problem.most_moves is None
        self.pairs: dict[int, tuple[Ints, Ints]] = {}
        self.choosy = not bool(state.problem.eligible.all())

    def place(self, waiting: list[int], over: Callable[[], bool]) -> bool:
        """Place these agents, which are nowhere, and all that give way; False when it is over."""
        step = 0
        while waiting:
            if over():
                return False
            step += 1
            agent = waiting.pop()
            if self.enter(agent):
                continue
            self.trouble[agent] += 1
            sent = self._squeeze_in(agent)
            if sent is None:
                waiting.insert(0, agent)
            else:
                waiting += sent
            if self.restless and (sent is None or step % PAUSE == 0):
                self._shuffle()
        return True

    def enter(self, agent: int) -> bool:
        """Onto the fullest node that takes it."""
        state = self.state
        fit = (self._asked(agent, self.nodes) <= state.room[self.nodes]).all(axis=1)
        if not fit.any():
            return False
        nodes = self.nodes[fit]
        nodes = nodes[~self._kept_off(np.full(nodes.shape, agent), nodes)]
        left = in_parts(state.room[nodes], self.full).sum(axis=1)
        ways = nodes[np.argsort(left, kind="stable")[:TRIED]].tolist()
        return any(state.change([(agent, node)]) is not None for node in ways)

    def _squeeze_in(self, agent: int) -> list[int] | None:
        """Onto the node where the one or two that leave make least trouble; says who left."""
        trouble, ways = self._singles(agent)
        if trouble.size == 0 or trouble[0] > EASY:
            limit = float(trouble[0]) if trouble.size else np.inf
            more, pairs = self._pairs(agent, limit)
            order = np.argsort(np.concatenate([trouble, more]), kind="stable")[:TRIED]
            ways = np.concatenate([ways, pairs])[order]
        for one, other, node in ways.tolist():
            sent = [one] if other == self.state.figures.nobody else [one, other]
            moves: list[Move] = [*((gone, NOWHERE) for gone in sent), (agent, node)]
            if self.state.change(moves) is not None:
                return sent
        return None

    def _singles(self, agent: int) -> tuple[Floats, Ints]:
        """Ways (n, 3) with one agent that leaves, nobody else, and its node; the best first."""
        state = self.state
        nodes = state.at[self.movable]
        slack = state.room[nodes] + state.figures.holding(self.movable, nodes)
        fit: Bools = np.all(slack >= self._asked(agent, nodes), axis=1)
        fit &= self.open[nodes]
        which = self._let_in(agent, fit, nodes)
        others, nodes = self.movable[which], nodes[which]
        trouble = self._doubted(self.trouble[others], others)
        first = np.argsort(trouble, kind="stable")[:TRIED]
        return trouble[first], self._ways(others[first], None, nodes[first])

    def _pairs(self, agent: int, limit: float) -> tuple[Floats, Ints]:
        """Ways (n, 3) with two agents of one node that leave together with less trouble."""
        state, figures = self.state, self.state.figures
        rows = state.seats.rows[self.nodes, : int(state.seats.count[self.nodes].max(initial=0))]
        left, right = self._every_pair(rows.shape[1])
        if left.size > PAIRS:
            some = self.rng.permutation(left.size)[:PAIRS]
            left, right = left[some], right[some]
        trouble = self.trouble[rows]
        together = trouble[:, left] + trouble[:, right]
        row, column = np.nonzero(together < limit)
        one, other, nodes = rows[row, left[column]], rows[row, right[column]], self.nodes[row]
        slack = figures.holding(one, nodes) + figures.holding(other, nodes) + state.room[nodes]
        fit: Bools = np.all(slack >= self._asked(agent, nodes), axis=1)
        which = self._let_in(agent, fit, nodes)
        one, other, nodes = one[which], other[which], nodes[which]
        total = self._doubted(together[row, column][which], one)
        first = np.argsort(total, kind="stable")[:TRIED]
        return total[first], self._ways(one[first], other[first], nodes[first])

    def _every_pair(self, width: int) -> tuple[Ints, Ints]:
        """The seats of each pair in a row."""
        if width not in self.pairs:
            self.pairs[width] = np.triu_indices(width, 1)
        return self.pairs[width]

    def _asked(self, agent: int, nodes: Ints) -> Floats:
        """What the agent would hold on each node."""
        figures = self.state.figures
        if figures.transient.size:
            return figures.holding(np.full(nodes.shape, agent), nodes)
        need: Floats = figures.need[agent]
        return need

    def _ways(self, one: Ints, other: Ints | None, nodes: Ints) -> Ints:
        ways = np.full((one.size, 3), self.state.figures.nobody)
        ways[:, 0], ways[:, 2] = one, nodes
        if other is not None:
            ways[:, 1] = other
        return ways

    def _let_in(self, agent: int, fit: Bools, nodes: Ints) -> Ints:
        """Where it fits and is eligible; the rules are asked when it is known who leaves."""
        which = np.flatnonzero(fit)
        if self.choosy:
            agents = np.full(which.shape, agent)
            which = which[~self.state.figures.ineligible(agents, nodes[which])]
        return which

    def _doubted(self, trouble: Floats, agents: Ints) -> Floats:
        """Among agents that make about the same trouble, chance decides, and small ones go."""
        doubted: Floats = trouble + 0.1 * self.rng.random(agents.shape) + self.size[agents]
        return doubted

    def _kept_off(self, agents: Ints, nodes: Ints) -> Bools:
        """Where these agents may not go as things stand, whatever is free."""
        state = self.state
        off = np.zeros(agents.shape, np.bool_)
        if self.choosy:
            off |= state.figures.ineligible(agents, nodes)
        if state.rules.tables:
            off |= state.rules.barred(state.figures.group[agents], state.at[agents], nodes)
        return off

    def _shuffle(self) -> None:
        """Between random pairs of nodes, two agents change places or one moves over."""
        state, rng = self.state, self.rng
        order = rng.permutation(self.nodes)
        half = min(order.size // 2, SHUFFLED)
        if not half:
            return
        here, there = order[:half], order[half : 2 * half]
        ours, theirs = self._some_seats(here), self._some_seats(there)
        allowed = self._exchangeable(here[:, None], there[:, None], ours, theirs)
        drawn = np.where(allowed, rng.random(allowed.shape, np.float32), -1.0).reshape(half, -1)
        cell = drawn.argmax(axis=1)
        which = np.flatnonzero(drawn[np.arange(half), cell] >= 0)
        row, column = np.divmod(cell[which], theirs.shape[1])
        one, two = ours[which, row], theirs[which, column]
        carry_out(state, Picks(one, two, here[which], there[which], here[which]))

    def _some_seats(self, nodes: Ints) -> Ints:
        """(n, S) agents of each node, nobody from a free seat."""
        seats = self.state.seats
        width = int(seats.count[nodes].max(initial=0)) + 1
        chosen = self.rng.integers(width, size=(nodes.size, min(width, SEATS)))
        rows: Ints = seats.rows[nodes[:, None], chosen]
        return rows

    def _exchangeable(self, here: Ints, there: Ints, ours: Ints, theirs: Ints) -> Bools:
        """(n, S, S) which of our agents may change places with which of theirs, or nobody."""
        state, figures = self.state, self.state.figures
        enter = figures.holding(ours, there)[:, :, None] - figures.holding(theirs, there)[:, None]
        back = figures.holding(theirs, here)[:, None] - figures.holding(ours, here)[:, :, None]
        allowed = (enter <= state.room[there][:, :, None]).all(axis=-1)
        allowed &= (back <= state.room[here][:, :, None]).all(axis=-1)
        goes = figures.movable[ours] & ~self._kept_off(ours, np.broadcast_to(there, ours.shape))
        comes = figures.movable[theirs] & ~self._kept_off(
            theirs, np.broadcast_to(here, theirs.shape)
        )
        comes |= theirs == figures.nobody
        exchangeable: Bools = allowed & goes[:, :, None] & comes[:, None]
        return exchangeable
