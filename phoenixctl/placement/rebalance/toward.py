"""The hops that lead from one placement to another one, in the best order there is."""

from __future__ import annotations

from collections import Counter

import numpy as np

from phoenixctl.placement.rebalance.chains import spare_node
from phoenixctl.placement.rebalance.hops import Hop, Stage
from phoenixctl.placement.rebalance.offers import Offers
from phoenixctl.placement.rebalance.shift import entering
from phoenixctl.placement.rebalance.walk import Walk
from phoenixctl.placement.solver.problem import Ints


def go_toward(walk: Walk, offers: Offers, target: Ints) -> list[Stage]:
    """Hops that gain most come first; hops that gain only together with others are one stage.

    Agents that wait for each other's room are let out through a spare node. Hops that cannot be
    made are left out, and so are the last ones when they are not worth it.
    """
    return _Way(walk, offers, target).stages()


class _Way:
    def __init__(self, walk: Walk, offers: Offers, target: Ints) -> None:
        self.walk, self.offers, self.target = walk, offers, target
        self.waiting: list[int] = np.flatnonzero(walk.state.at[:-1] != target).tolist()
        self.stood_aside: set[int] = set()

    def stages(self) -> list[Stage]:
        found: list[Stage] = []
        made: list[Hop] = []
        start, cost = self.walk.state.assignment, self.walk.cost
        while len(made) < self.walk.left and (hop := self._next()) is not None:
            made.append(hop)
            if cost - self.walk.cost > self.walk.price * len(made) * (1 + 1e-9):
                found.append(self.walk.keep(made))
                start, cost, made = self.walk.state.assignment, self.walk.cost, []
        if made:
            self.walk.back_to(start)
            self.offers.renew(np.unique([node for hop in made for node in hop[1:]]))
        return found

    def _next(self) -> Hop | None:
        hop = self._best() or self._aside()
        while hop is not None and not self.walk.go((hop,)):
            self.waiting.remove(hop.agent)
            hop = self._best() or self._aside()
        if hop is not None:
            if hop.target == self.target[hop.agent]:
                self.waiting.remove(hop.agent)
            self.offers.renew(np.unique(hop[1:]))
        return hop

    def _best(self) -> Hop | None:
        """The hop that gains most now; of equal ones that from the node with fewest left to go."""
        at, leaving = self.walk.state.at, self.offers.leaving()
        to_go = Counter(int(at[agent]) for agent in self.waiting)
        best: tuple[float, int, Hop] | None = None
        for agent in self.waiting:
            target, source = int(self.target[agent]), int(at[agent])
            gain = float(leaving[agent] - entering(self.walk, self.offers, agent)[target])
            if np.isfinite(gain):
                offer = (-gain, to_go[source], Hop(agent, source, target))
                best = offer if best is None else min(best, offer)
        return None if best is None else best[2]

    def _aside(self) -> Hop | None:
        """An agent in whose place another one waits goes to a spare node first."""
        at = self.walk.state.at
        asked = {int(self.target[agent]) for agent in self.waiting}
        for agent in self.waiting:
            source = int(at[agent])
            if agent in self.stood_aside or source not in asked:
                continue
            self.stood_aside.add(agent)
            cost, node = spare_node(self.walk, self.offers, agent, (int(self.target[agent]),))
            if np.isfinite(cost):
                return Hop(agent, source, node)
        return None
