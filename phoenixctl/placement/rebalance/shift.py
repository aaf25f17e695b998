"""The best hop of a single agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from phoenixctl.placement.rebalance.hops import Hop
from phoenixctl.placement.rebalance.offers import Offers
from phoenixctl.placement.rebalance.walk import Walk
from phoenixctl.placement.solver.problem import Floats

ASKED: Final = 200  # kinds of agents on a node that are tried when rules forbid the first ones


def best_shift(walk: Walk, offers: Offers, refused: Sequence[Hop] = ()) -> Hop | None:
    """The hop that gains most, if it gains more than its price and no rule forbids it.

    Of every agent that has not moved yet, and to every node; not like one that was `refused`.
    """
    gains = np.where(walk.fresh, offers.leaving(), -np.inf)
    most = gains - offers.enter.min(axis=1, initial=np.inf)[offers.kind]
    # What attracts others is not in `most`, so with pulls it bounds nothing.
    bounded = not walk.state.pulls
    best, found = walk.price * (1 + 1e-9), None
    asked: set[tuple[int, int]] = set()
    for agent in np.argsort(-most, kind="stable").tolist():
        if not np.isfinite(most[agent]) or (bounded and most[agent] <= best):
            break
        source = int(walk.state.at[agent])
        key = (int(offers.kind[agent]), source)
        if key in asked:
            continue
        if len(asked) == ASKED:
            break
        asked.add(key)
        cost = entering(walk, offers, agent)
        cost[[h.target for h in refused if (int(offers.kind[h.agent]), h.source) == key]] = np.inf
        target = int(cost.argmin())
        if gains[agent] - cost[target] > best:
            best, found = float(gains[agent] - cost[target]), Hop(agent, source, target)
    return found


def entering(walk: Walk, offers: Offers, agent: int) -> Floats:
    """(N,) what the goal loses where this agent comes; infinite where it may not go now."""
    state = walk.state
    group, source = state.problem.group[agent], state.at[agent]
    nodes = np.arange(state.problem.nodes)
    cost: Floats = offers.enter[offers.kind[agent]].copy()
    cost[source] = np.inf
    cost[state.rules.barred(group, source, nodes)] = np.inf
    for table in state.pulls:
        cost += table.lean(group, source, nodes)
    return cost
