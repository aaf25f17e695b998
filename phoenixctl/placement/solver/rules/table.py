"""What a table of rules has to answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phoenixctl.placement.solver.problem import Bools, Ints, Problem

Counts: TypeAlias = NDArray[np.int32]
Relocation: TypeAlias = tuple[int, int, int]
"""A group, the node that one of its agents leaves, the node it enters."""


class RuleTable(Protocol):
    """The rules of one kind in one partition, and where its groups are now.

    Nodes may be `NOWHERE`. `relocate` may break a rule; whoever asked `holds` afterwards and heard
    no has to relocate back, else to `settle`. What was broken at the start holds while it does
    not get worse.
    """

    def relocate(self, relocation: Relocation) -> None: ...

    def holds(self, relocation: Relocation) -> bool: ...

    def settle(self, relocation: Relocation) -> None: ...

    def barred(self, groups: Ints, sources: Ints, targets: Ints) -> Bools:
        """Which moves would break a rule if no other agent moved."""


Touches: TypeAlias = tuple[tuple[int, ...], ...]
"""For each group, and for the nobody after the last one, what it touches."""


def touched_by(groups: int, members: Sequence[Sequence[int]]) -> Touches:
    """Which rules touch a group, from the groups of each rule."""
    rules: list[list[int]] = [[] for _ in range(groups + 1)]
    for number, touched in enumerate(members):
        for group in touched:
            rules[group].append(number)
    return tuple(tuple(numbers) for numbers in rules)


def in_layers(touches: Touches, rules: int) -> tuple[Ints, ...]:
    """The first rule of each group, the second, and so on; `rules` where it has none."""
    deepest = max((len(numbers) for numbers in touches), default=0)
    return tuple(
        np.array([numbers[i] if i < len(numbers) else rules for numbers in touches])
        for i in range(deepest)
    )


def cells(counts: Counts) -> memoryview[int]:
    """The same numbers, read and written one at a time several times as quickly as an array's."""
    return memoryview(counts.data)


def with_nowhere(domain: Ints) -> Ints:
    """The domain of each node, with one more at the end that `NOWHERE` finds as index -1."""
    return np.append(domain, int(domain.max(initial=-1)) + 1)


def tallied(group_of: Ints, at: Ints, domain: Ints, members: Sequence[Sequence[int]]) -> Counts:
    """(rules, domains) how many agents of a rule's groups each domain has, nowhere at the end."""
    tally = np.zeros((len(members), int(domain[-1]) + 1), np.int32)
    order = np.argsort(group_of, kind="stable")
    bounds = np.searchsorted(group_of[order], np.arange(group_of.max(initial=-1) + 2))
    domains = domain[at[order]]
    last = len(bounds) - 1
    for number, groups in enumerate(members):
        for group in groups:
            if group < last:
                np.add.at(tally[number], domains[bounds[group] : bounds[group + 1]], 1)
    return tally


class Tallied:
    """Rules that count the agents of their groups by domain.

    `domain` is that of each node, and of nowhere. By rule, `_tally` has the counts; `_rules_of` and
    `_layers` tell which rules a group has.
    """

    def __init__(
        self, problem: Problem, partition: int, groups: Sequence[Sequence[int]], at: Ints
    ) -> None:
        members = [sorted(set(each)) for each in groups]
        self.domain = with_nowhere(problem.partitions[partition])
        self._domain_of: list[int] = self.domain.tolist()
        self._rules_of = touched_by(problem.groups, members)
        self._layers = in_layers(self._rules_of, len(members))
        self._tally = tallied(problem.group, at, self.domain, members)
