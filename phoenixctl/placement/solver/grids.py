"""What many moves at once would cost: every seat of one column against every seat of another.

The inner loops go over the columns, so each numpy call works on all pairs of them. Costs are single
precision: they choose moves, and the state then adds up what a chosen one really costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phoenixctl.placement.solver.columns import BARRED, Columns
from phoenixctl.placement.solver.problem import NOWHERE, Ints, Singles
from phoenixctl.placement.solver.state import State


@dataclass(frozen=True, slots=True)
class Ends:
    """Where each agent of the columns could go to make room, and what that adds there."""

    node: Ints  # (L, K)
    cost: Singles  # (L, K)


class Grid:
    """Room for the costs (L, L, K) of all moves between columns and their partners.

    `[i, j, k]`: the agent in seat i of column k goes to the partner of k, whose agent in seat j
    goes back (swap) or on to its end (chain). The last seat is nobody.
    """

    def __init__(self, seats: int, width: int) -> None:
        self.costs, self._one, self._two = np.empty((3, seats, seats, width), np.float32)

    def swaps(self, state: State, columns: Columns, partner: Ints) -> Singles:
        """The cost of each swap; `BARRED` where a rule or a transient resource forbids it."""
        there = columns.nodes[partner]
        over, met = columns.over, columns.over[:, partner]
        # max(0, over + d) + max(0, met - d) = half + max(|half|, |d - middle|)
        middle, half = (met - over) * np.float32(0.5), np.abs(over + met) * np.float32(0.5)
        before = np.maximum(half, np.abs(middle)).sum(axis=0)
        give = _leaving(state, columns, columns.nodes, there) - before
        take = _arriving(state, columns, partner)
        self._start(columns, partner, give, take)
        if state.problem.open_cost.any():
            _opened_by_swaps(state, columns, partner, self.costs)
        theirs = columns.load[:, :, partner] - middle[:, None, :]
        flat = self._one.reshape(columns.seats, -1)
        for h in range(columns.load.shape[0]):
            np.subtract(theirs[h][None], columns.load[h][:, None], out=self._one)
            np.abs(self._one, out=self._one)
            np.maximum(flat, np.tile(half[h], columns.seats), out=flat)
            np.add(self.costs, self._one, out=self.costs)
        if columns.room.shape[0]:
            away_there = columns.lasting * (columns.homes != there)
            back = columns.lasting[:, :, partner] * (columns.homes[:, partner] != columns.nodes)
            self._bar(
                (back - columns.room[:, None, :], columns.away, False),
                (away_there - columns.room[:, None, partner], columns.away[:, :, partner], True),
            )
        return self.costs

    def chains(self, state: State, columns: Columns, partner: Ints, ends: Ends) -> Singles:
        """The cost of each chain that goes on to `ends`, barred as swaps are."""
        there = columns.nodes[partner]
        met = columns.over[:, partner]
        over = columns.over[:, None, :]
        freed = np.maximum(over - columns.load, 0) - np.maximum(over, 0)
        give = _leaving(state, columns, columns.nodes, there) + freed.sum(axis=0)
        give -= np.maximum(met, 0).sum(axis=0)
        onward = ends.cost[:, partner]
        onward[:-1][ends.node[:-1, partner] == columns.nodes] = BARRED
        self._start(columns, partner, give, onward)
        if state.problem.open_cost.any():
            _opened_by_chains(state, columns, partner, self.costs)
        theirs = columns.load[:, :, partner] - met[:, None, :]
        for h in range(columns.load.shape[0]):
            np.subtract(columns.load[h][:, None], theirs[h][None], out=self._one)
            np.maximum(self._one, 0, out=self._one)
            np.add(self.costs, self._one, out=self.costs)
        # Moves of one agent are for the swaps, where there and back are equally likely.
        self.costs[:-1, -1] = BARRED
        self.costs[-1, :-1] = BARRED
        if columns.room.shape[0]:
            away_there = columns.lasting * (columns.homes != there)
            self._bar(
                (away_there - columns.room[:, None, partner], columns.away[:, :, partner], True)
            )
        return self.costs

    def _start(self, columns: Columns, partner: Ints, give: Singles, take: Singles) -> None:
        np.add(give[:, None], take[None], out=self.costs)
        self.costs[:, :, columns.nodes == columns.nodes[partner]] = BARRED

    def _bar(self, *limits: tuple[Singles, Singles, bool]) -> None:
        """Bar what needs more than it frees. Each limit has who comes, who goes (both (T, L, K)),
        and whether who comes is of the column (else of its partner)."""
        worst = None
        for comes, goes, ours in limits:
            for enter, leave in zip(comes, goes, strict=True):
                out = self._two if worst is None else self._one
                if ours:
                    np.subtract(enter[:, None], leave[None], out=out)
                else:
                    np.subtract(enter[None], leave[:, None], out=out)
                worst = out if worst is None else np.maximum(worst, out, out=worst)
        if worst is not None:
            np.multiply(worst > 0, BARRED, out=worst)
            np.add(self.costs, worst, out=self.costs)


def find_ends(state: State, columns: Columns, tries: int, rng: np.random.Generator) -> Ends:
    """The best of a few nodes for each agent: its home if it is away, and random ones."""
    over = np.ascontiguousarray(state.over.T, np.float32)
    room = np.maximum(state.room, 0) + state.figures.blur
    room = np.ascontiguousarray(room.T, np.float32)
    shape = columns.agents.shape
    best = np.full(shape, BARRED)
    where = np.zeros(shape, np.int64)
    for number in range(tries):
        nodes = rng.integers(state.problem.nodes, size=shape)
        if number == 0:
            away = (columns.homes != NOWHERE) & (columns.homes != columns.nodes)
            nodes = np.where(away, columns.homes, nodes)
        met = over[:, nodes]
        added = (np.maximum(met + columns.load, 0) - np.maximum(met, 0)).sum(axis=0)
        added += _moving(state, columns.agents, columns.stay, columns.nodes, nodes)
        added += _prices(state, nodes)[0]
        fits = columns.need <= room[:, nodes]
        fits[state.figures.transient] |= columns.homes == nodes
        added[~fits.all(axis=0) | (nodes == columns.nodes)] = BARRED
        better = added < best
        best, where = np.where(better, added, best), np.where(better, nodes, where)
    best[-1] = 0.0
    return Ends(where, best)


def _leaving(state: State, columns: Columns, nodes: Ints, there: Ints) -> Singles:
    return _moving(state, columns.agents, columns.stay, nodes, there)


def _arriving(state: State, columns: Columns, partner: Ints) -> Singles:
    agents, stay = columns.agents[:, partner], columns.stay[:, partner]
    return _moving(state, agents, stay, columns.nodes[partner], columns.nodes)


def _moving(state: State, agents: Ints, stay: Singles, sources: Ints, targets: Ints) -> Singles:
    figures = state.figures
    groups = figures.group[agents]
    result = stay + figures.standing(agents, targets).astype(np.float32)
    for table in state.pulls:
        result += table.lean(groups, sources, targets).astype(np.float32)
    off = state.rules.barred(groups, sources, targets) | figures.ineligible(agents, targets)
    result[off] = BARRED
    result[-1] = 0.0
    return result


def _opened_by_swaps(state: State, columns: Columns, partner: Ints, costs: Singles) -> None:
    """Only a move without a return empties a node, or puts the first agent on one."""
    first, last = _prices(state, columns.nodes)
    costs[:-1, -1] += first[partner] - last
    costs[-1, :-1] += first - last[partner]


def _opened_by_chains(state: State, columns: Columns, partner: Ints, costs: Singles) -> None:
    first, last = _prices(state, columns.nodes)
    costs[:-1] -= last
    costs[:-1, -1] += first[partner]
    costs[-1, :-1] -= last[partner]


def _prices(state: State, nodes: Ints) -> tuple[Singles, Singles]:
    """What the first agent of each node would add, and what the last one would take away."""
    price = state.problem.open_cost[nodes].astype(np.float32)
    count = state.seats.count[nodes]
    return price * (count == 0), price * (count == 1)
