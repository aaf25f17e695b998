"""Choosing moves from a grid at a temperature, and making those that do not touch each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from phoenixctl.placement.solver.columns import BARRED, Columns
from phoenixctl.placement.solver.grids import Ends
from phoenixctl.placement.solver.problem import NOWHERE, Bools, Ints, Singles
from phoenixctl.placement.solver.state import State


@dataclass(frozen=True, slots=True)
class Picks:
    """Moves: `one` goes from start to middle while `two` goes from middle to end.

    Either may be nobody. The end of a swap is its start.
    """

    one: Ints
    two: Ints
    start: Ints
    middle: Ints
    end: Ints

    def __len__(self) -> int:
        return len(self.one)

    def __getitem__(self, which: Ints | Bools) -> Picks:
        one, two, start = self.one[which], self.two[which], self.start[which]
        return Picks(one, two, start, self.middle[which], self.end[which])

    @staticmethod
    def joined(several: Sequence[Picks]) -> Picks:
        return Picks(
            np.concatenate([picks.one for picks in several]),
            np.concatenate([picks.two for picks in several]),
            np.concatenate([picks.start for picks in several]),
            np.concatenate([picks.middle for picks in several]),
            np.concatenate([picks.end for picks in several]),
        )


NONE: Final = Picks(*np.zeros((5, 0), np.int64))


def choose(
    state: State,
    columns: Columns,
    partner: Ints,
    costs: Singles,
    noise: Singles,
    *,
    ends: Ends | None,
    retries: int,
) -> Picks:
    """One move for each column or none, as likely as its cost at the temperature of the noise.

    The least of cost minus Gumbel noise is a draw from the Boltzmann distribution. If capacity
    forbids it, the next best is a draw from what is left.
    """
    seats, width = columns.agents.shape
    cells = seats * seats
    nothing = cells - 1
    drawn = np.ascontiguousarray((costs - noise.reshape(costs.shape)).reshape(cells, width).T)
    best = drawn.argmin(axis=1)
    asking = np.flatnonzero(best != nothing)
    found = [NONE]
    for _ in range(retries):
        asking = asking[drawn[asking, best[asking]] < BARRED / 2]
        if not asking.size:
            break
        picks = _picks(state, columns, partner, asking, best[asking], ends=ends)
        fit = fitting(state, picks)
        found.append(picks[fit])
        asking = asking[~fit]
        drawn[asking, best[asking]] = BARRED
        best[asking] = drawn[asking].argmin(axis=1)
        asking = asking[best[asking] != nothing]
    return Picks.joined(found)


def _picks(
    state: State, columns: Columns, partner: Ints, which: Ints, cells: Ints, *, ends: Ends | None
) -> Picks:
    i, j = np.divmod(cells, columns.seats)
    mate = partner[which]
    start, two = columns.nodes[which], columns.agents[j, mate]
    # Where nobody comes back, the end is of no account.
    onward = start if ends is None else ends.node[j, mate]
    return Picks(
        one=columns.agents[i, which],
        two=two,
        start=start,
        middle=columns.nodes[mate],
        end=np.where(two == state.figures.nobody, start, onward),
    )


def fitting(state: State, picks: Picks) -> Bools:
    """Which picks capacity allows, each on its own."""
    nodes, outs, ins = _changes(state, picks)
    fit: Bools = np.all(state.fits(nodes, outs, ins), axis=0)
    return fit


def carry_out(state: State, picks: Picks) -> int:
    """Make the picks in their order, but none on a node that an earlier one changed.

    Each must fit. Says how many were made; those that would break a rule are not.
    """
    picks = picks[_disjoint(picks)]
    picks = picks[_book(state, picks)]
    if not len(picks):
        return 0
    figures = state.figures
    nodes, outs, ins = _changes(state, picks)
    chain = picks.end != picks.start
    nodes, outs, ins = (
        np.concatenate([rows[0], rows[1], rows[2][chain]]) for rows in (nodes, outs, ins)
    )
    added = float(state.load_change(nodes, outs, ins).sum()) + _standing_change(state, picks)
    state.room[nodes] += figures.holding(outs, nodes) - figures.holding(ins, nodes)
    state.over[nodes] += figures.load[ins] - figures.load[outs]
    used = state.seats.count[nodes] > 0
    state.seats.exchange(nodes, outs, ins)
    opened = (state.seats.count[nodes] > 0) * 1.0 - used
    added += float((state.problem.open_cost[nodes] * opened).sum())
    one, two = picks.one != figures.nobody, picks.two != figures.nobody
    state.at[picks.one[one]] = picks.middle[one]
    state.at[picks.two[two]] = picks.end[two]
    state.cost += added
    return len(picks)


def _book(state: State, picks: Picks) -> Ints:
    """Book picks in the rules and in the costs of groups; returns those that the rules allow."""
    booked: list[int] = []
    for number, moves in enumerate(_moves(state, picks)):
        more = sum(leaves for _, _, _, leaves in moves)
        if state.may_move(more) and state.rules.attempt([move[:3] for move in moves]):
            booked.append(number)
            state.cost += sum(state.regroup(*move) for move in moves)
    return np.array(booked, np.int64)


def _moves(state: State, picks: Picks) -> Iterator[list[tuple[int, int, int, int]]]:
    """Of each pick, the group of who moves, the source, the target, and 1 if that is away from
    home, -1 if it is back home."""
    ones = _each(state, picks.one, picks.start, picks.middle)
    twos = _each(state, picks.two, picks.middle, picks.end)
    nobodys = state.problem.groups
    for pair in zip(ones, twos, strict=True):
        yield [move for move in pair if move[0] < nobodys]


def _each(
    state: State, agents: Ints, sources: Ints, targets: Ints
) -> Iterator[tuple[int, int, int, int]]:
    home = state.figures.home[agents]
    leaves = np.where(home == NOWHERE, 0, (home == sources) * 1 - (home == targets))
    group = state.figures.group[agents]
    return zip(group.tolist(), sources.tolist(), targets.tolist(), leaves.tolist(), strict=True)


def _changes(state: State, picks: Picks) -> tuple[Ints, Ints, Ints]:
    """(3, n) nodes, who leaves them, who enters; the third is an end that is not the start."""
    nobody = np.full(len(picks), state.figures.nobody)
    chain = picks.end != picks.start
    nodes = np.stack([picks.start, picks.middle, picks.end])
    outs = np.stack([picks.one, picks.two, nobody])
    ins = np.stack(
        [np.where(chain, nobody, picks.two), picks.one, np.where(chain, picks.two, nobody)]
    )
    return nodes, outs, ins


def _disjoint(picks: Picks) -> Ints:
    """The picks none of whose nodes an earlier one of them touches."""
    busy: set[int] = set()
    kept: list[int] = []
    nodes = zip(picks.start.tolist(), picks.middle.tolist(), picks.end.tolist(), strict=True)
    for i, touched in enumerate(nodes):
        if busy.isdisjoint(touched):
            busy.update(touched)
            kept.append(i)
    return np.array(kept, np.int64)


def _standing_change(state: State, picks: Picks) -> float:
    figures = state.figures
    total = figures.standing(picks.one, picks.middle) - figures.standing(picks.one, picks.start)
    total += figures.standing(picks.two, picks.end) - figures.standing(picks.two, picks.middle)
    return float(total.sum())
