"""Agents that must be in at least so many domains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phoenixctl.placement.solver.problem import NOWHERE, Bools, Ints, Problem, Spread
from phoenixctl.placement.solver.rules.table import Relocation, Tallied, cells


class SpreadTable(Tallied):
    """Counts the domains a rule reaches: those it is in, and one for each agent not placed yet.

    `tight` marks the domains (last: nowhere) from which an agent may only go to a new one. Both
    it and `occupied` have a row for each rule, and an empty one for groups without a rule.
    """

    def __init__(self, problem: Problem, partition: int, rules: Sequence[Spread], at: Ints) -> None:
        super().__init__(problem, partition, [rule.groups for rule in rules], at)
        self._nowhere = self._domain_of[NOWHERE]
        self._counts = cells(self._tally)
        self.occupied, self.tight = np.zeros((2, len(rules) + 1, self._nowhere + 1), np.int32)
        self.occupied[:-1, :-1] = self._tally[:, :-1] > 0
        self._occupied, self._tight = cells(self.occupied), cells(self.tight)
        self._reach: list[int] = (self.occupied[:-1].sum(axis=1) + self._tally[:, -1]).tolist()
        self._at_least = [rule.at_least for rule in rules]
        self._floor = [min(pair) for pair in zip(self._at_least, self._reach, strict=True)]
        for number in range(len(rules)):
            self._tighten(number)

    def relocate(self, relocation: Relocation) -> None:
        group, source, target = relocation
        left, entered = self._domain_of[source], self._domain_of[target]
        if left == entered:
            return
        for number in self._rules_of[group]:
            slack = self._reach[number] > self._floor[number]
            self._change(number, left, -1)
            self._change(number, entered, 1)
            if slack or self._reach[number] > self._floor[number]:
                self._tighten(number)
            else:
                self._mark(number, left)
                self._mark(number, entered)

    def holds(self, relocation: Relocation) -> bool:
        rules = self._rules_of[relocation[0]]
        return all(self._reach[number] >= self._floor[number] for number in rules)

    def settle(self, relocation: Relocation) -> None:
        for number in self._rules_of[relocation[0]]:
            best = min(self._at_least[number], self._reach[number])
            if best > self._floor[number]:
                self._floor[number] = best
                self._tighten(number)

    def barred(self, groups: Ints, sources: Ints, targets: Ints) -> Bools:
        left, entered = self.domain[sources], self.domain[targets]
        lost = np.zeros(np.broadcast_shapes(groups.shape, left.shape, entered.shape), np.bool_)
        for layer in self._layers:
            rule = layer[groups]
            lost |= (self.tight[rule, left] & self.occupied[rule, entered]) > 0
        lost &= left != entered
        return lost

    def _change(self, number: int, domain: int, by: int) -> None:
        count = self._counts[number, domain] + by
        self._counts[number, domain] = count
        if domain == self._nowhere:
            self._reach[number] += by
        elif bool(self._occupied[number, domain]) != (count > 0):
            self._reach[number] += by
            self._occupied[number, domain] = count > 0

    def _mark(self, number: int, domain: int) -> None:
        if domain != self._nowhere:
            self._tight[number, domain] = self._counts[number, domain] == 1

    def _tighten(self, number: int) -> None:
        """Without slack, the last agent of a domain and one not placed yet are needed."""
        slack = self._reach[number] > self._floor[number]
        self.tight[number] = False if slack else self._tally[number] == 1
        self._tight[number, self._nowhere] = not slack
