"""Agents that must be spread over domains without a large difference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phoenixctl.placement.solver.problem import Bools, Ints, Problem, Skew
from phoenixctl.placement.solver.rules.table import Relocation, Tallied


class SkewTable(Tallied):
    """Counts, by rule, the agents in each domain and how many more than the fewest there may be.

    `lowest` marks the domains with the fewest, `steep` those that must not get one more, `edge`
    those that must not get one from the lowest, `rigid` rules whose lowest must not get lower. Each
    has a row for each rule, and an empty one for groups without a rule.
    """

    def __init__(self, problem: Problem, partition: int, rules: Sequence[Skew], at: Ints) -> None:
        super().__init__(problem, partition, [rule.groups for rule in rules], at)
        self._counted = np.zeros(self._tally.shape, np.bool_)
        for number, rule in enumerate(rules):
            usable = problem.eligible[problem.eligible_row[list(rule.groups)]].any(axis=0)
            self._counted[number, problem.partitions[partition][usable]] = True
        self._at_most = [rule.at_most for rule in rules]
        self._allowed = np.array([self._above(number) for number in range(len(rules))])
        np.maximum(self._allowed, np.array(self._at_most)[:, None], out=self._allowed)
        self.steep, self.edge, self.lowest = np.zeros(
            (3, len(rules) + 1, self._tally.shape[1]), np.bool_
        )
        self.rigid = np.zeros(len(rules) + 1, np.bool_)
        for number in range(len(rules)):
            self._mark(number)

    def relocate(self, relocation: Relocation) -> None:
        group, source, target = relocation
        left, entered = self._domain_of[source], self._domain_of[target]
        if left == entered:
            return
        for number in self._rules_of[group]:
            self._tally[number, left] -= 1
            self._tally[number, entered] += 1
            self._mark(number)

    def holds(self, relocation: Relocation) -> bool:
        rules = self._rules_of[relocation[0]]
        return not any((self._above(n) > self._allowed[n]).any() for n in rules)

    def settle(self, relocation: Relocation) -> None:
        for number in self._rules_of[relocation[0]]:
            allowed, at_most = self._allowed[number], self._at_most[number]
            if (allowed > at_most).any():
                np.minimum(allowed, np.maximum(self._above(number), at_most), out=allowed)
                self._mark(number)

    def barred(self, groups: Ints, sources: Ints, targets: Ints) -> Bools:
        left, entered = self.domain[sources], self.domain[targets]
        off = np.zeros(np.broadcast_shapes(groups.shape, left.shape, entered.shape), np.bool_)
        for layer in self._layers:
            rule = layer[groups]
            lowest = self.lowest[rule, left]
            # Leaving the lowest puts every other one higher above it.
            lowered = lowest & (self.rigid[rule] | self.edge[rule, entered])
            off |= self.steep[rule, entered] | lowered
        off &= left != entered
        return off

    def _above(self, number: int) -> Ints:
        """How many more agents each domain has than the one with the fewest."""
        counted, tally = self._counted[number], self._tally[number]
        fewest = tally[counted].min() if counted.any() else 0
        return np.where(counted, tally - fewest, 0)

    def _mark(self, number: int) -> None:
        counted, above = self._counted[number], self._above(number)
        room = self._allowed[number] - above
        self.steep[number] = counted & (room < 1)
        self.edge[number] = counted & (room < 2)
        self.lowest[number] = counted & (above == 0)
        self.rigid[number] = self.steep[number].any()
