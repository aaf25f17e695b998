"""What each goal costs: prices on a placement that fall as the goal comes nearer.

Every goal is scaled so that the worst placement of A agents costs A: what an agent costs is then a
number from about 0 to 1 in fleets of any size, and so is what moving it may be worth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from types import MappingProxyType
from typing import Final

import numpy as np

from phoenixctl.model.rules import Goal
from phoenixctl.placement.solver.bound import bound
from phoenixctl.placement.solver.evaluate import cost
from phoenixctl.placement.solver.problem import Bools, Floats, Hinges, Ints, MoveCosts, Problem

AGENTS: Final = "agents"  # how many there are on a node, as something to be even about
LATENCY: Final = "latency"
NODES: Final = "nodes"  # what those in use cost
WISHES: Final = "soft rules"


@dataclass(frozen=True, slots=True)
class Facts:
    """What goals look at, for A agents, N nodes and L resources. NaN: not known."""

    resources: tuple[str, ...]
    loads: Floats  # (A, L) what each agent brings
    totals: Floats  # (N, L) what each node has
    latency_seconds: Floats  # (N,) as measured
    target_seconds: float
    prices: Floats  # (N,) of a node, in any unit


@dataclass(frozen=True, slots=True)
class Aim:
    """A problem whose cost is the goal's; `terms` names the columns of its hinges."""

    problem: Problem
    terms: tuple[str, ...]
    slow: Floats | None = None  # (N,) what an agent pays for the latency there

    def shares(self, at: Ints) -> Mapping[str, float]:
        """What each term costs there, as parts of what the worst placement costs."""
        found, agents = cost(self.problem, at), max(self.problem.agents, 1)
        named = [*zip(self.terms, found.load.tolist(), strict=True)]
        latency = 0.0 if self.slow is None else float(self.slow[at].sum())
        if self.slow is not None:
            named.append((LATENCY, latency))
        if self.problem.open_cost.any():
            named.append((NODES, found.opened))
        wishes = found.preference - latency + found.pulls
        if self.problem.preference.any() or self.problem.pulls:
            named.append((WISHES, wishes))
        shares: dict[str, float] = {}
        for name, amount in named:
            shares[name] = shares.get(name, 0.0) + amount / agents
        return MappingProxyType(shares)

    def least(self) -> float:
        """No placement has a lower sum of shares."""
        return float(bound(self.problem)) / max(self.problem.agents, 1)


def aim_at(goal: Goal, problem: Problem, facts: Facts, *, move_cost: float = 0.0) -> Aim:
    """The problem with the goal's prices in place of its own; soft rules keep theirs.

    `move_cost` is what a move must be worth, in parts of what one agent costs in the worst
    placement.
    """
    agents, nodes = problem.agents, problem.nodes
    known = np.where(np.isfinite(facts.loads), facts.loads, 0.0)
    more = np.hstack([known, np.ones((agents, 1))])
    # Nodes have room for all of it: what is hard stands in the problem's own resources.
    plenty = np.broadcast_to(2 * more.sum(axis=0) + 1, (nodes, more.shape[1]))
    counted = replace(
        problem,
        need=np.hstack([problem.need, more]),
        capacity=np.hstack([problem.capacity, plenty]),
        transient=np.append(problem.transient, np.zeros(more.shape[1], np.bool_)),
        moves=MoveCosts(
            np.full(agents, move_cost), np.zeros(nodes, np.int64), np.zeros((1, 1))
        ),
        open_cost=np.zeros(nodes),
        hinges=_no_hinges(problem.need.shape[1] + more.shape[1], nodes),
    )  # fmt: skip
    return _PRICED[goal](counted, facts, _Ground.of(counted, facts))


@dataclass(frozen=True, slots=True)
class _Ground:
    """The nodes that take agents, with what is on them: even shares are counted over these."""

    open: Bools  # (N,)
    loads: Floats  # (N, L + 1) of each resource, and how many agents
    totals: Floats  # (N, L + 1)

    @classmethod
    def of(cls, problem: Problem, facts: Facts) -> _Ground:
        rows = np.unique(problem.eligible_row[problem.group[problem.movable]])
        takes: Bools = np.any(problem.eligible[rows], axis=0)
        width = facts.loads.shape[1] + 1
        loads = np.zeros((problem.nodes, width))
        np.add.at(loads, problem.home, problem.need[:, -width:])
        totals = np.hstack([facts.totals, np.ones((problem.nodes, 1))])
        return cls(takes, loads, np.where(totals > 0, totals, np.nan))

    def column(self, number: int) -> tuple[Floats, Floats]:
        """Of the open nodes that are known to have it: what is there, and what there is in all."""
        known = self.open & np.isfinite(self.totals[:, number])
        return self.loads[known, number], self.totals[known, number]


@dataclass(frozen=True, slots=True)
class _Prices:
    """Columns of hinges for one term: a price for each level of use that is exceeded."""

    term: str
    column: int  # of the loads
    levels: Sequence[float]  # of use: load over total
    weights: Sequence[float]


def _even(problem: Problem, facts: Facts, ground: _Ground) -> Aim:
    loads = _used_loads(facts, ground)
    half = 0.5 if loads else 1.0
    found = [(half, _counted(ground))]
    found += [(0.5 / len(loads), _flat(facts, ground, one)) for one in loads]
    return _hinged(problem, ground, found)


def _resources(problem: Problem, facts: Facts, ground: _Ground) -> Aim:
    loads = _used_loads(facts, ground)
    found = [(1.0 / len(loads), _steep(facts, ground, one)) for one in loads]
    return _hinged(problem, ground, found or [(1.0, _counted(ground))])


def _latency(problem: Problem, facts: Facts, ground: _Ground) -> Aim:
    """Slow nodes cost; so that the quick ones are not filled to the brim, so does that a little."""
    seconds = facts.latency_seconds
    known = seconds[np.isfinite(seconds)]
    ordinary = float(np.median(known)) if known.size else 0.0
    above = np.nan_to_num((seconds - ordinary) / facts.target_seconds, nan=0.0)
    slow = 0.8 * np.clip(above, 0.0, 1.0)
    loads = _used_loads(facts, ground)
    crowded = [(0.2 / len(loads), _brim(facts, ground, one)) for one in loads]
    aim = _hinged(problem, ground, crowded)
    priced = replace(aim.problem, preference=problem.preference + slow)
    return replace(aim, problem=priced, slow=slow)


def _consolidate(problem: Problem, facts: Facts, _ground: _Ground) -> Aim:
    known = facts.prices[np.isfinite(facts.prices)]
    usual = float(known.mean()) if known.size and known.sum() else 1.0
    prices = np.where(np.isfinite(facts.prices), facts.prices, usual)
    # A node that costs nothing is still one less to look after.
    prices = np.maximum(prices, usual * 1e-3)
    return Aim(replace(problem, open_cost=prices / prices.sum() * problem.agents), ())


_PRICED: Final[Mapping[Goal, Callable[[Problem, Facts, _Ground], Aim]]] = MappingProxyType(
    {
        Goal.EVEN: _even,
        Goal.RESOURCES: _resources,
        Goal.LATENCY: _latency,
        Goal.CONSOLIDATE: _consolidate,
    }
)


def _used_loads(facts: Facts, ground: _Ground) -> list[int]:
    """The resources of which anything is used where it is known how much there is."""
    width = len(facts.resources)
    return [one for one in range(width) if ground.column(one)[0].sum() > 0]


def _counted(ground: _Ground) -> _Prices:
    """Whole numbers: the even share below and above, then twice as far each time."""
    column = ground.loads.shape[1] - 1
    count = ground.column(column)[0]
    mean = float(count.mean()) if count.size else 0.0
    low, high, most = np.floor(mean), np.ceil(mean), count.max(initial=0.0)
    beyond = takewhile(lambda level: level < most, (high + 2**step for step in range(64)))
    levels = sorted({float(low), float(high), *map(float, beyond)})
    return _Prices(AGENTS, column, levels, [1.0] * len(levels))


def _flat(facts: Facts, ground: _Ground, column: int) -> _Prices:
    """From the mean use towards that of the fullest node."""
    mean, most = _use(ground, column)
    levels = [mean + (most - mean) * part for part in (0.0, 0.125, 0.25, 0.5)]
    return _Prices(facts.resources[column], column, levels, (1.0, 1.0, 1.0, 1.0))


def _steep(facts: Facts, ground: _Ground, column: int) -> _Prices:
    """The fullest node counts most."""
    mean, most = _use(ground, column)
    levels = [mean + (most - mean) * part for part in (0.0, 0.25, 0.5, 0.75)]
    return _Prices(facts.resources[column], column, levels, (1.0, 2.0, 4.0, 8.0))


def _brim(facts: Facts, ground: _Ground, column: int) -> _Prices:
    """Free up to the fullest node there is now, then dearer towards the brim."""
    most = _use(ground, column)[1]
    levels = (most, most + (1.0 - most) / 2)
    return _Prices(facts.resources[column], column, levels, (1.0, 4.0))


def _use(ground: _Ground, column: int) -> tuple[float, float]:
    """Load over total: of all nodes together, and of the fullest one."""
    load, total = ground.column(column)
    return float(load.sum() / total.sum()), float((load / total).max())


def _no_hinges(resources: int, nodes: int) -> Hinges:
    return Hinges(np.zeros((resources, 0)), np.zeros((nodes, 0)), np.zeros(0))


def _hinged(problem: Problem, ground: _Ground, priced: Iterable[tuple[float, _Prices]]) -> Aim:
    """Each term with its part of the cost of the worst placement, in which one node has it all."""
    resources, offset = problem.need.shape[1], problem.need.shape[1] - ground.loads.shape[1]
    mix, soft, weight, terms = [], [], [], []
    for part, prices in priced:
        totals = ground.totals[:, prices.column]
        counts = ground.open & np.isfinite(totals)
        caps = [np.where(counts, totals * level, np.inf) for level in prices.levels]
        total = float(ground.loads[counts, prices.column].sum())
        worst = sum(
            price * max(0.0, total - float(cap.min(initial=np.inf)))
            for price, cap in zip(prices.weights, caps, strict=True)
        )
        if worst <= 0:
            continue
        for price, cap in zip(prices.weights, caps, strict=True):
            mix.append(np.arange(resources) == offset + prices.column)
            soft.append(cap)
            weight.append(price * part * problem.agents / worst)
            terms.append(prices.term)
    nodes = problem.nodes
    hinges = Hinges(
        mix=np.array(mix, np.float64).reshape(len(mix), resources).T,
        soft=np.array(soft, np.float64).reshape(len(soft), nodes).T,
        weight=np.array(weight, np.float64),
    )
    return Aim(replace(problem, hinges=hinges), tuple(terms))
