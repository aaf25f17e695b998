"""Hops of two agents that are worth it together: one makes room for the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import numpy as np

from phoenixctl.placement.rebalance.hops import Hop
from phoenixctl.placement.rebalance.offers import Offers
from phoenixctl.placement.rebalance.shift import entering
from phoenixctl.placement.rebalance.walk import Walk
from phoenixctl.placement.solver.problem import Floats, Ints

ASKED: Final = 24  # agents with most to gain that look for another one
TRIED: Final = 8  # pairs of them that are tried in earnest

Pair: TypeAlias = tuple[float, tuple[Hop, ...]]
"""What each hop gains, and the hops."""


def best_pair(walk: Walk, offers: Offers) -> tuple[Hop, ...] | None:
    """The hops of two agents that gain most for each hop, made; None if none are worth it.

    Either they change places, if need be by way of a third node, or the second one goes on to a
    node of its own.
    """
    walk.blocked = []
    search = _Search(walk, offers)
    found = [pair for agent in search.first() for pair in search.pairs(agent)]
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    return next((hops for _, hops in found[:TRIED] if walk.gain(hops)), None)


def changing_places(walk: Walk, offers: Offers, one: int, other: int) -> tuple[Hop, ...]:
    """The hops by which two agents change places.

    If neither fits while the other is still there, one of them waits on a spare node; none without
    such a node.
    """
    state = walk.state
    here, there = int(state.at[one]), int(state.at[other])
    need, room = state.problem.need, state.room
    if (need[one] <= room[there]).all():
        return Hop(one, here, there), Hop(other, there, here)
    if (need[other] <= room[here]).all():
        return Hop(other, there, here), Hop(one, here, there)
    spare = [(spare_node(walk, offers, agent, (here, there)), agent) for agent in (one, other)]
    (cost, node), waits = min(spare)
    if not np.isfinite(cost):
        walk.blocked.append((one, other))
        return ()
    goes, source, target = (other, there, here) if waits == one else (one, here, there)
    return Hop(waits, target, node), Hop(goes, source, target), Hop(waits, node, source)


def spare_node(walk: Walk, offers: Offers, agent: int, but: tuple[int, ...]) -> tuple[float, int]:
    """What it costs where it costs least that the agent waits, and that node."""
    cost = entering(walk, offers, agent)
    cost[list(but)] = np.inf
    node = int(cost.argmin())
    return float(cost[node]), node


class _Search:
    """Asks for one agent about all others at once."""

    def __init__(self, walk: Walk, offers: Offers) -> None:
        self.walk, self.offers, self.state = walk, offers, walk.state
        self.everyone = np.arange(walk.problem.agents)
        self.at: Ints = self.state.at[:-1]
        self.gains: Floats = np.where(walk.fresh, offers.leaving(), -np.inf)
        order = np.argsort(offers.enter, axis=1, kind="stable")[:, :2][offers.kind]
        first, second = order[:, 0], order[:, -1]
        self.onward: Ints = np.where(first == self.at, second, first)

    def first(self) -> Iterator[int]:
        """One agent of each kind on each node, those with most to gain by leaving first."""
        seen: set[tuple[int, int]] = set()
        for agent in np.argsort(-self.gains, kind="stable").tolist():
            if self.gains[agent] <= self.walk.price or len(seen) == ASKED:
                return
            key = (int(self.offers.kind[agent]), int(self.at[agent]))
            if key not in seen:
                seen.add(key)
                yield agent

    def pairs(self, agent: int) -> Iterator[Pair]:
        """The best swap and the best chain of this one."""
        here = int(self.at[agent])
        taken = self._exchange(self.at, self.everyone, np.array(agent))
        back = self._exchange(np.array(here), np.array(agent), self.everyone)
        yield from self._best(
            agent, taken + back, lambda other: changing_places(self.walk, self.offers, agent, other)
        )
        further = -self.offers.enter[self.offers.kind, self.onward]
        further[self.onward == here] = -np.inf  # that is a swap
        yield from self._best(
            agent,
            self.gains[agent] + taken + further,
            lambda other: (
                Hop(other, int(self.at[other]), int(self.onward[other])),
                Hop(agent, here, int(self.at[other])),
            ),
        )

    def _best(
        self, agent: int, gain: Floats, hops_with: Callable[[int], tuple[Hop, ...]]
    ) -> Iterator[Pair]:
        gain = np.where(self.walk.fresh & (self.at != self.at[agent]), gain, -np.inf)
        other = int(gain.argmax())
        if not gain[other] > 2 * self.walk.price * (1 + 1e-9):
            return
        hops = hops_with(other)
        each = float(gain[other]) / max(len(hops), 1)
        if hops and each > self.walk.price * (1 + 1e-9):
            yield each, hops

    def _exchange(self, nodes: Ints, outs: Ints, ins: Ints) -> Floats:
        """What each node gains when one agent takes another one's place."""
        state, kind = self.state, self.offers.kind
        preference = self.offers.preference
        gain = preference[kind[outs], nodes] - preference[kind[ins], nodes]
        gain = gain - state.load_change(nodes, outs, ins)
        fits = state.fits(nodes, outs, ins) & self.offers.eligible[kind[ins], nodes]
        return np.where(fits, gain, -np.inf)
