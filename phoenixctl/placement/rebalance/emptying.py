"""Emptying a node altogether: it is worth something only when its last agent has left."""

from __future__ import annotations

from typing import Final

import numpy as np

from phoenixctl.placement.rebalance.hops import Hop
from phoenixctl.placement.rebalance.offers import Offers
from phoenixctl.placement.rebalance.shift import entering
from phoenixctl.placement.rebalance.walk import Walk
from phoenixctl.placement.solver.problem import Floats, Ints
from phoenixctl.placement.solver.sizes import largest

ASKED: Final = 16  # nodes that are tried, those that gain most for each hop first


def best_emptying(walk: Walk, offers: Offers) -> tuple[Hop, ...] | None:
    """The hops, made, that empty the node which gains most for each of them; None if none is worth
    it. No agent goes to a node that is empty."""
    for node in _candidates(walk)[:ASKED].tolist():
        hops = _emptied(walk, offers, node)
        if hops is not None:
            return hops
    return None


def _candidates(walk: Walk) -> Ints:
    """Nodes whose agents have all not moved yet, and may; in the order in which they are tried."""
    state = walk.state
    count = state.seats.count
    fixed = np.unique(state.at[:-1][~walk.fresh])
    gain = walk.problem.open_cost / np.maximum(count, 1)
    worth = (count > 0) & (count <= walk.left) & (gain > walk.price * (1 + 1e-9))
    worth[fixed] = False
    order: Ints = np.lexsort((np.arange(gain.size), _fullness(walk), -gain))
    return order[worth[order]]


def _emptied(walk: Walk, offers: Offers, node: int) -> tuple[Hop, ...] | None:
    """Its agents, largest first, each to the fullest node that takes it."""
    state, before, cost = walk.state, walk.state.assignment, walk.cost
    size = (walk.problem.need / largest(walk.problem)).max(axis=1, initial=0.0)
    agents = sorted(np.flatnonzero(before == node).tolist(), key=lambda agent: -size[agent])
    hops: list[Hop] = []
    for agent in agents:
        hop = _tightest(walk, offers, agent)
        if hop is None or state.change([(agent, hop.target)]) is None:
            break
        hops.append(hop)
        offers.renew(np.array([hop.target]))
    if len(hops) == len(agents) and cost - walk.cost > walk.price * len(hops) * (1 + 1e-9):
        return tuple(hops)
    walk.back_to(before)
    offers.renew(np.unique([node, *(hop.target for hop in hops)]))
    return None


def _tightest(walk: Walk, offers: Offers, agent: int) -> Hop | None:
    source = int(walk.state.at[agent])
    open_to = np.isfinite(entering(walk, offers, agent)) & (walk.state.seats.count > 0)
    if not open_to.any():
        return None
    target = int(np.where(open_to, _fullness(walk), -np.inf).argmax())
    return Hop(agent, source, target)


def _fullness(walk: Walk) -> Floats:
    """(N,) of the resource of which least is left."""
    capacity = walk.state.figures.capacity
    finite = np.isfinite(capacity) & (capacity > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.where(finite, walk.state.room / np.where(finite, capacity, 1.0), 1.0)
    full: Floats = 1.0 - left.min(axis=1, initial=1.0)
    return full
