"""Agents that need another one in their domain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phoenixctl.placement.solver.problem import NOWHERE, Bools, Ints, Problem, Together
from phoenixctl.placement.solver.rules.table import (
    Relocation,
    cells,
    tallied,
    touched_by,
    with_nowhere,
)


class TogetherTable:
    """`short` counts the rules that a group would break by entering a domain, `held` those that
    it would break by leaving one, `first` those of which it has the only agent, so that it may go
    anywhere.

    By rule, `_ceiling` has what was broken in which domain and may stay so, `_worse` the domains in
    which more is broken now.
    """

    def __init__(
        self, problem: Problem, partition: int, rules: Sequence[Together], at: Ints
    ) -> None:
        self.domain = with_nowhere(problem.partitions[partition])
        self._domain_of: list[int] = self.domain.tolist()
        self._nowhere = self._domain_of[NOWHERE]
        self._groups = [tuple(sorted(set(rule.groups))) for rule in rules]
        self._others = [tuple(sorted(set(rule.others))) for rule in rules]
        self._needs = touched_by(problem.groups, self._groups)
        self._serves = touched_by(problem.groups, self._others)
        self._itself = [set(rule.groups) == set(rule.others) for rule in rules]
        self._mutual = [rule.mutual for rule in rules]
        using = tallied(problem.group, at, self.domain, self._groups)
        have = tallied(problem.group, at, self.domain, self._others)
        self._total: list[int] = have[:, :-1].sum(axis=1).tolist()
        self._using, self._have = cells(using), cells(have)
        self._unmet, self._last, self._only = (cells(np.zeros_like(have)) for _ in range(3))
        shape = (3, problem.groups + 1, self._nowhere + 1)
        self.short, self.held, self.first = np.zeros(shape, np.int32)
        self._short, self._held, self._first = map(cells, (self.short, self.held, self.first))
        self._ceiling: list[dict[int, int]] = [{} for _ in rules]
        self._worse: list[set[int]] = [set() for _ in rules]
        for number in range(len(rules)):
            for domain in range(self._nowhere):
                if missed := self._missed(number, domain):
                    self._ceiling[number][domain] = missed
                self._mark(number, domain)

    def relocate(self, relocation: Relocation) -> None:
        group, source, target = relocation
        left, entered = self._domain_of[source], self._domain_of[target]
        if left == entered:
            return
        for number in self._needs[group]:
            self._using[number, left] -= 1
            self._using[number, entered] += 1
        for number in self._serves[group]:
            self._have[number, left] -= 1
            self._have[number, entered] += 1
            self._total[number] += (left == self._nowhere) - (entered == self._nowhere)
        for number in (*self._needs[group], *self._serves[group]):
            for domain in self._concerned(number, left, entered):
                self._mark(number, domain)

    def holds(self, relocation: Relocation) -> bool:
        group = relocation[0]
        return not any(self._worse[n] for n in (*self._needs[group], *self._serves[group]))

    def settle(self, relocation: Relocation) -> None:
        group = relocation[0]
        for number in (*self._needs[group], *self._serves[group]):
            ceiling = self._ceiling[number]
            for domain in list(ceiling):
                ceiling[domain] = min(ceiling[domain], self._missed(number, domain))
                if not ceiling[domain]:
                    del ceiling[domain]

    def barred(self, groups: Ints, sources: Ints, targets: Ints) -> Bools:
        left, entered = self.domain[sources], self.domain[targets]
        short = self.short[groups, entered] > self.first[groups, left]
        broken = short | (self.held[groups, left] > 0)
        other: Bools = broken & (left != entered)
        return other

    def _concerned(self, number: int, left: int, entered: int) -> Sequence[int]:
        """The domains for which a rule may have changed: the first of all count everywhere."""
        if self._total[number] <= 2 and self._nowhere in (left, entered):
            return range(self._nowhere)
        return (left, entered)

    def _missed(self, number: int, domain: int) -> int:
        """How many agents there lack another one."""
        have = self._have[number, domain]
        if domain == self._nowhere:
            return 0
        if self._itself[number]:
            return int(have == 1 and self._total[number] > 1)
        free = self._mutual[number] and not self._total[number]
        return 0 if have or free else self._using[number, domain]

    def _mark(self, number: int, domain: int) -> None:
        if domain == self._nowhere:
            return
        if self._missed(number, domain) > self._ceiling[number].get(domain, 0):
            self._worse[number].add(domain)
        else:
            self._worse[number].discard(domain)
        have, total = self._have[number, domain], self._total[number]
        itself, groups = self._itself[number], self._groups[number]
        free = not total and (itself or self._mutual[number])
        last = have == 2 if itself else have == 1 and self._using[number, domain] > 0
        place = number, domain
        _note(self._unmet, self._short, place, groups, int(have == 0 and not free))
        _note(self._last, self._held, place, self._others[number], int(last))
        _note(self._only, self._first, place, groups, int(itself and have == total == 1))


def _note(
    known: memoryview[int],
    counts: memoryview[int],
    place: tuple[int, int],
    groups: Sequence[int],
    now: int,
) -> None:
    """Count a rule for its groups if it is so `now` in its domain, once."""
    if change := now - known[place]:
        known[place] = now
        for group in groups:
            counts[group, place[1]] += change
