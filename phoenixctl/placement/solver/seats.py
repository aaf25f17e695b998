"""Which agents are on each node, as rows of seats that are filled from the left."""

from __future__ import annotations

import numpy as np

from phoenixctl.placement.solver.problem import NOWHERE, Ints


class Seats:
    """`rows` (N, W) has the agents of each node and nobody in the seats that are free.

    At least one seat of every row is free.
    """

    def __init__(self, at: Ints, nodes: int) -> None:
        self.nobody = at.shape[0]
        placed = np.flatnonzero(at != NOWHERE)
        self.count = np.bincount(at[placed], minlength=nodes)
        width = int(self.count.max(initial=0)) + 2
        self.rows = np.full((nodes, width), self.nobody)
        self.seat = np.zeros(self.nobody + 1, np.int64)
        order = placed[np.argsort(at[placed], kind="stable")]
        starts = np.cumsum(self.count) - self.count
        self.seat[order] = np.arange(order.shape[0]) - starts[at[order]]
        self.rows[at[order], self.seat[order]] = order

    def enter(self, agent: int, node: int) -> None:
        seat = int(self.count[node])
        self._take(agent, node, seat)
        self.count[node] = seat + 1
        self._widen(seat + 1)

    def leave(self, agent: int, node: int) -> None:
        last = int(self.count[node]) - 1
        self._take(int(self.rows[node, last]), node, int(self.seat[agent]))
        self.rows[node, last] = self.nobody
        self.count[node] = last

    def exchange(self, nodes: Ints, outs: Ints, ins: Ints) -> None:
        """One agent of each node leaves and one enters; either may be nobody. Each node once."""
        comes, goes = ins != self.nobody, outs != self.nobody
        count = self.count[nodes]
        # Who comes takes the seat of who goes; without anybody coming, the last one does.
        seat = np.where(goes, self.seat[outs], count)
        last = count - 1
        sits = np.where(comes, ins, self.rows[nodes, np.maximum(last, 0)])
        # Who goes from the last seat has nobody to give it to.
        either = comes | (goes & (sits != outs))
        self.rows[nodes[either], seat[either]] = sits[either]
        self.seat[sits[either]] = seat[either]
        emptied = goes & ~comes
        self.rows[nodes[emptied], last[emptied]] = self.nobody
        self.count[nodes] = count + comes - goes
        self._widen(int(self.count[nodes].max(initial=0)))

    def _take(self, agent: int, node: int, seat: int) -> None:
        self.rows[node, seat] = agent
        self.seat[agent] = seat

    def _widen(self, needed: int) -> None:
        if needed + 1 > self.rows.shape[1]:
            more = np.full((self.rows.shape[0], 8), self.nobody)
            self.rows = np.hstack([self.rows, more])
