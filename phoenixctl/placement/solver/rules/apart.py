"""Agents that must not share a domain."""

from __future__ import annotations

from collections.abc import Sequence

from phoenixctl.placement.solver.problem import NODES, NOWHERE, Apart, Bools, Ints, Problem
from phoenixctl.placement.solver.rules.table import (
    Relocation,
    Touches,
    cells,
    tallied,
    with_nowhere,
)


class ApartTable:
    """`crowd` counts, for a group and a domain, the agents there that it must not meet."""

    def __init__(self, problem: Problem, partition: int, rules: Sequence[Apart], at: Ints) -> None:
        self.domain = with_nowhere(problem.partitions[partition])
        self._by_node = partition == NODES
        self._domain_of: list[int] = self.domain.tolist()
        self._nowhere = self._domain_of[NOWHERE]
        # A rule counts for both sides, so whom a group meets is also who meets it.
        self._meets = _meets(problem.groups, rules)
        self._itself = [group in met for group, met in enumerate(self._meets)]
        self.crowd = tallied(problem.group, at, self.domain, self._meets)
        self.crowd[:, self._nowhere] = 0
        self._crowd = cells(self.crowd)

    def relocate(self, relocation: Relocation) -> None:
        group, source, target = relocation
        left, entered = self._domain_of[source], self._domain_of[target]
        if left == entered:
            return
        crowd, nowhere = self._crowd, self._nowhere
        for other in self._meets[group]:
            if left != nowhere:
                crowd[other, left] -= 1
            if entered != nowhere:
                crowd[other, entered] += 1

    def holds(self, relocation: Relocation) -> bool:
        group, source, target = relocation
        entered = self._domain_of[target]
        if entered == self._domain_of[source] or entered == self._nowhere:
            return True
        return self._crowd[group, entered] <= self._itself[group]

    def settle(self, relocation: Relocation) -> None:
        """Nothing to do: who enters a domain never meets anybody."""

    def barred(self, groups: Ints, sources: Ints, targets: Ints) -> Bools:
        if self._by_node:
            there: Bools = self.crowd[groups, targets] > 0
            there &= sources != targets
            return there
        left, entered = self.domain[sources], self.domain[targets]
        met: Bools = (self.crowd[groups, entered] > 0) & (left != entered)
        return met


def _meets(groups: int, rules: Sequence[Apart]) -> Touches:
    met: list[set[int]] = [set() for _ in range(groups + 1)]
    for rule in rules:
        for group in rule.groups:
            met[group].update(rule.others)
        for other in rule.others:
            met[other].update(rule.groups)
    return tuple(tuple(sorted(others)) for others in met)
