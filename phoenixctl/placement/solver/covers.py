"""What a set of agents takes of the nodes, however they are packed.

A function f that is never below zero and has f(x) + f(y) <= f(x + y) keeps its promise on every
node: the agents there sum up to at most f(capacity). So the nodes in use must cover the sum of f
over all agents. The identity says that needs must fit in; floor(x / s) counts agents of size s; the
third, of Martello and Toth (1990), lets large agents fill a node that no other one fits as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from phoenixctl.placement.solver.problem import Bools, Floats, Ints
from phoenixctl.placement.solver.sizes import TINY

SIZES: Final = 24  # tried of each resource
CROWD: Final = 8  # up to so many agents of one size on a node
SLACK: Final = 1e-9  # of a capacity: more than what sums of fractions may be off


@dataclass(frozen=True, slots=True)
class Demand:
    """Agents that have to be on nodes, some of which are paid for anyhow."""

    need: Floats  # (A, R)
    capacity: Floats  # (N, R)
    price: Floats  # (N,)
    paid: Bools  # (N,)


@dataclass(frozen=True, slots=True)
class Cover:
    """At least so many nodes, at least at this price, without those that are paid."""

    nodes: int
    price: float

    def or_more(self, other: Cover) -> Cover:
        return Cover(max(self.nodes, other.nodes), max(self.price, other.price))

    def __add__(self, other: Cover) -> Cover:
        return Cover(self.nodes + other.nodes, self.price + other.price)


def limited(need: Floats, capacity: Floats) -> Bools:
    """(R,) resources of which there is some and not any amount, and that nobody brings along."""
    bounded = np.isfinite(capacity).all(axis=0) & (capacity > 0).any(axis=0)
    return np.logical_and(bounded, (need >= 0).all(axis=0))


def cover(demand: Demand) -> Cover:
    """The best bound of all functions; one node more than there are if they cannot hold all."""
    least = Cover(0, 0.0)
    if demand.need.shape[0] and not demand.paid.any():
        least = of_number(demand, 1)
    for needs, capacity in _measured(demand):
        least = least.or_more(_covering(demand, float(needs.sum()), capacity))
    return least


def of_number(demand: Demand, nodes: int) -> Cover:
    """So many nodes, paid ones included, of the cheapest."""
    more = nodes - int(demand.paid.sum())
    prices = np.sort(demand.price[~demand.paid])
    if more <= 0:
        return Cover(0, 0.0)
    return Cover(min(more, prices.size + 1), float(prices[:more].sum()))


def _covering(demand: Demand, wanted: float, capacity: Floats) -> Cover:
    """Covers what is wanted: by the largest nodes, and by parts of the cheapest."""
    wanted = wanted * (1 - SLACK) - float(capacity[demand.paid].sum())
    if wanted <= 0:
        return Cover(0, 0.0)
    capacity, price = capacity[~demand.paid], demand.price[~demand.paid]
    held = np.cumsum(-np.sort(-capacity))
    number = int(np.searchsorted(held, wanted)) + 1
    order = np.argsort(price / (capacity + TINY), kind="stable")
    before = np.append(0.0, np.cumsum(capacity[order])[:-1])
    part = np.clip((wanted - before) / (capacity[order] + TINY), 0.0, 1.0)
    some = float(part @ price[order])
    return of_number(demand, int(demand.paid.sum()) + number).or_more(Cover(number, some))


def _measured(demand: Demand) -> Iterator[tuple[Floats, Floats]]:
    """What each function says of all agents (A,) and nodes (N,)."""
    for need, capacity in _columns(demand):
        yield need, capacity
        largest = float(capacity.max(initial=0.0))
        distinct = np.unique(need[need > 0])
        for size in _some(distinct, largest):
            yield np.floor(need / size), np.floor(capacity / size)
        for size in _evenly(distinct[distinct <= largest / 2]):
            yield _filling(need, size, largest), _filling(capacity, size, largest)


def _columns(demand: Demand) -> Iterator[tuple[Floats, Floats]]:
    """Every resource in parts of the largest node, and mixtures: all alike, and scarce ones more.

    Capacities are a little larger than they are, so that no rounding makes a bound too high.
    """
    scarce = limited(demand.need, demand.capacity)
    capacity = demand.capacity[:, scarce] * (1 + SLACK)
    largest = capacity.max(axis=0, initial=0.0) + TINY
    need, capacity = demand.need[:, scarce] / largest, capacity / largest
    for resource in range(need.shape[1]):
        yield need[:, resource], capacity[:, resource]
    share = need.mean(axis=0) if need.size else np.zeros(need.shape[1])
    if need.shape[1] > 1 and share.any():
        for scarcity in (0.0, 1.0, 3.0):
            weight = share**scarcity
            yield need @ weight, capacity @ weight


def _filling(values: Floats, size: float, largest: float) -> Floats:
    """Small ones are nothing; those that leave less than `size` of a node are all of it."""
    rounded = np.where(values < size, 0.0, values)
    filled: Floats = np.where(values > largest - size, largest, rounded)
    return filled


def _some(sizes: Floats, largest: float) -> Floats:
    """The sizes just too large for one more on a node, and some others."""
    limits = largest / np.arange(2, CROWD + 2)
    above = np.searchsorted(sizes, limits, side="right")
    chosen = sizes[above[above < sizes.size]]
    worth = sizes[(sizes >= largest / (CROWD + 1)) & (sizes <= largest)]
    both: Floats = np.unique(np.concatenate([chosen, _evenly(worth)]))
    return both


def _evenly(sizes: Floats) -> Floats:
    if sizes.size <= SIZES:
        return sizes
    which: Ints = np.linspace(0, sizes.size - 1, SIZES).astype(np.int64)
    return sizes[which]
