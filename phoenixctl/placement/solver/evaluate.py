"""The cost of a placement and what it breaks, computed from scratch: the truth for all the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phoenixctl.placement.solver.problem import NOWHERE, Floats, Ints, Problem

ROUNDING = 1e-12  # of a capacity: what sums of fractions may be off


@dataclass(frozen=True, slots=True)
class Cost:
    """What a placement costs, by term."""

    load: Floats  # (H,) by column of the hinges
    preference: float
    opened: float
    moves: float
    most_moved_group: float
    pulls: float
    unplaced: float

    @property
    def total(self) -> float:
        parts = (self.preference, self.opened, self.moves, self.most_moved_group)
        return float(self.load.sum()) + sum(parts) + self.pulls + self.unplaced


@dataclass(frozen=True, slots=True)
class Breaches:
    """How far each hard constraint is broken, by what breaks it; nothing else is in it."""

    of: dict[tuple[object, ...], float]

    def __bool__(self) -> bool:
        return bool(self.of)

    def worse_than(self, before: Breaches) -> dict[tuple[object, ...], float]:
        """What is broken further than it was."""
        return {
            what: amount
            for what, amount in self.of.items()
            if amount > before.of.get(what, 0.0) * (1 + ROUNDING)
        }


def cost(problem: Problem, at: Ints) -> Cost:
    """The cost of agents being `at` these nodes (A,)."""
    placed = np.flatnonzero(at != NOWHERE)
    where, group = at[placed], problem.group[placed]
    hinges = problem.hinges
    over = np.maximum(load(problem, at) @ hinges.mix - hinges.soft, 0.0)
    moved = placed[(problem.home[placed] != NOWHERE) & (problem.home[placed] != where)]
    moves = problem.moves
    way = moves.between[moves.kind[problem.home[moved]], moves.kind[at[moved]]]
    most = np.bincount(problem.group[moved], minlength=1).max()
    return Cost(
        load=over.sum(axis=0) * hinges.weight,
        preference=float(problem.preference[problem.preference_row[group], where].sum()),
        opened=float(problem.open_cost[np.unique(where)].sum()),
        moves=float((moves.agent[moved] + way).sum()),
        most_moved_group=moves.group * float(most),
        pulls=sum(_pairs(problem, at)),
        unplaced=float(problem.unplaced_cost[at == NOWHERE].sum()),
    )


def load(problem: Problem, at: Ints) -> Floats:
    """(N, R) what the agents on each node need."""
    used = np.zeros_like(problem.capacity)
    placed = np.flatnonzero(at != NOWHERE)
    np.add.at(used, at[placed], problem.need[placed])
    return used


def held(problem: Problem, at: Ints) -> Floats:
    """(N, R) the load, and at home what moved agents still hold of transient resources."""
    used = load(problem, at)
    away = np.flatnonzero((problem.home != NOWHERE) & (problem.home != at) & (at != NOWHERE))
    np.add.at(used, problem.home[away], np.where(problem.transient, problem.need[away], 0.0))
    return used


def breaches(problem: Problem, at: Ints) -> Breaches:
    """Everything that is broken when agents are `at` these nodes (A,)."""
    found: dict[tuple[object, ...], float] = {}
    for what, amount in _breaches(problem, at):
        found[what] = amount
    return Breaches(found)


def _breaches(problem: Problem, at: Ints) -> Iterator[tuple[tuple[object, ...], float]]:
    used = held(problem, at)
    allowed = problem.capacity + ROUNDING * np.abs(problem.capacity)
    for node, resource in np.argwhere(used > allowed):
        excess = used[node, resource] - problem.capacity[node, resource]
        yield ("capacity", int(node), int(resource)), float(excess)
    for agent in np.flatnonzero(at != NOWHERE):
        row = problem.eligible_row[problem.group[agent]]
        if not problem.eligible[row, at[agent]]:
            yield ("eligible", int(agent), int(at[agent])), 1.0
    yield from _apart(problem, at)
    yield from _together(problem, at)
    yield from _spread(problem, at)
    yield from _skew(problem, at)
    away = (problem.home != NOWHERE) & (problem.home != at) & (at != NOWHERE)
    if problem.most_moves is not None and away.sum() > problem.most_moves:
        yield ("moves",), float(away.sum() - problem.most_moves)


def inside(problem: Problem, at: Ints, groups: tuple[int, ...], partition: int) -> Counter[int]:
    """How many agents of these groups each domain has."""
    those = np.flatnonzero(np.isin(problem.group, groups) & (at != NOWHERE))
    return Counter(problem.partitions[partition][at[those]].tolist())


def _apart(problem: Problem, at: Ints) -> Iterator[tuple[tuple[object, ...], float]]:
    pairs = {
        (rule.partition, *sorted((one, other)))
        for rule in problem.apart
        for one in rule.groups
        for other in rule.others
    }
    for partition, one, other in sorted(pairs):
        ours = inside(problem, at, (one,), partition)
        theirs = ours if one == other else inside(problem, at, (other,), partition)
        for domain, count in ours.items():
            met = count * (count - 1) // 2 if one == other else count * theirs[domain]
            if met:
                yield ("apart", partition, one, other, domain), float(met)


def _together(problem: Problem, at: Ints) -> Iterator[tuple[tuple[object, ...], float]]:
    for number, rule in enumerate(problem.together):
        ours = inside(problem, at, rule.groups, rule.partition)
        theirs = inside(problem, at, rule.others, rule.partition)
        own = int(set(rule.groups) == set(rule.others))
        others = theirs.total()
        if (own and others == 1) or (rule.mutual and not others):
            continue  # a first one
        for domain, count in ours.items():
            if theirs[domain] <= own:
                yield ("together", number, domain), float(count)


def _spread(problem: Problem, at: Ints) -> Iterator[tuple[tuple[object, ...], float]]:
    for number, rule in enumerate(problem.spread):
        counts = inside(problem, at, rule.groups, rule.partition)
        members = int(np.isin(problem.group, rule.groups).sum())
        # What is not placed yet may still go to a new domain.
        reach = len(counts) + members - counts.total()
        if reach < rule.at_least:
            yield ("spread", number), float(rule.at_least - reach)


def _skew(problem: Problem, at: Ints) -> Iterator[tuple[tuple[object, ...], float]]:
    for number, rule in enumerate(problem.skew):
        counts = inside(problem, at, rule.groups, rule.partition)
        rows = problem.eligible_row[list(rule.groups)]
        usable = problem.eligible[rows].any(axis=0)
        domains = np.unique(problem.partitions[rule.partition][usable]).tolist()
        allowed = min((counts[domain] for domain in domains), default=0) + rule.at_most
        for domain in domains:
            if counts[domain] > allowed:
                yield ("skew", number, domain), float(counts[domain] - allowed)


def _pairs(problem: Problem, at: Ints) -> Iterator[float]:
    for rule in problem.pulls:
        for one, other in _unordered(rule.groups, rule.others):
            ours = inside(problem, at, (one,), rule.partition)
            theirs = ours if one == other else inside(problem, at, (other,), rule.partition)
            for domain, count in ours.items():
                met = count * (count - 1) / 2 if one == other else count * theirs[domain]
                yield rule.cost * met


def _unordered(groups: tuple[int, ...], others: tuple[int, ...]) -> set[tuple[int, int]]:
    return {(min(one, other), max(one, other)) for one in groups for other in others}
