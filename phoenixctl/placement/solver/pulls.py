"""Costs of pairs of agents in one domain, kept as what each group would pay in each domain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phoenixctl.placement.solver.problem import Floats, Ints, Problem, Pull
from phoenixctl.placement.solver.rules.table import tallied, with_nowhere


class PullTable:
    """`price` is what an agent of a group pays in a domain for those that are there."""

    def __init__(self, problem: Problem, partition: int, rules: Sequence[Pull], at: Ints) -> None:
        self.domain = with_nowhere(problem.partitions[partition])
        self._domain_of: list[int] = self.domain.tolist()
        self._nowhere = self._domain_of[-1]
        self._each_pays = _prices(problem.groups, rules)
        self._itself = np.array(
            [prices.get(group, 0.0) for group, prices in enumerate(self._each_pays)]
        )
        singles = [(group,) for group in range(problem.groups)]
        counts = tallied(problem.group, at, self.domain, singles)
        self.price = np.zeros((problem.groups + 1, self._nowhere + 1))
        for group, prices in enumerate(self._each_pays):
            for other, cost in prices.items():
                self.price[group] += cost * counts[other]
        self.price[:, self._nowhere] = 0.0

    def relocate(self, group: int, source: int, target: int) -> float:
        """What the move adds to the cost; the table counts it as done."""
        left, entered = self._domain_of[source], self._domain_of[target]
        if left == entered:
            return 0.0
        paid = float(self.price[group, left]) - (
            self._itself[group] if left != self._nowhere else 0.0
        )
        for other, cost in self._each_pays[group].items():
            if left != self._nowhere:
                self.price[other, left] -= cost
            if entered != self._nowhere:
                self.price[other, entered] += cost
        itself = self._itself[group] if entered != self._nowhere else 0.0
        return float(self.price[group, entered] - itself) - paid

    def lean(self, groups: Ints, sources: Ints, targets: Ints) -> Floats:
        """What each move would add to the cost if no other agent moved."""
        left, entered = self.domain[sources], self.domain[targets]
        paid = np.where(left == self._nowhere, 0.0, self.price[groups, left] - self._itself[groups])
        change: Floats = np.where(left == entered, 0.0, self.price[groups, entered] - paid)
        return change


def pull_tables(problem: Problem, at: Ints) -> list[PullTable]:
    """A table for every partition that has pulls."""
    return [
        PullTable(problem, number, [p for p in problem.pulls if p.partition == number], at)
        for number in sorted({pull.partition for pull in problem.pulls})
    ]


def _prices(groups: int, rules: Sequence[Pull]) -> tuple[dict[int, float], ...]:
    prices: list[dict[int, float]] = [{} for _ in range(groups + 1)]
    for rule in rules:
        pairs = {(min(a, b), max(a, b)) for a in rule.groups for b in rule.others}
        for one, other in sorted(pairs):
            prices[one][other] = prices[one].get(other, 0.0) + rule.cost
            if one != other:
                prices[other][one] = prices[other].get(one, 0.0) + rule.cost
    return tuple(prices)
