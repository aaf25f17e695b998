"""Waves of hops that may be made in any order, or all at once, and break nothing on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from phoenixctl.placement.rebalance.hops import Hop
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import Apart, Floats, Ints, Problem, Skew, Spread, Together
from phoenixctl.placement.solver.state import State

Rule: TypeAlias = Apart | Together | Spread | Skew
Wave: TypeAlias = tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many agents of a kind may be under way at once."""

    kind: Ints  # (A,)
    most: Sequence[int]  # by kind


def in_waves(problem: Problem, at: Ints, hops: Sequence[Hop], budgets: Budgets) -> tuple[Wave, ...]:
    """The hops in as few waves as are found.

    They must be possible one after the other, each kind of agent at least one at a time. A hop is
    taken into an earlier wave than those before it when it can be; if that makes another one
    impossible, all are kept in their order.
    """
    early = _packed(problem, at, hops, budgets, in_order=False)
    return early if early is not None else _packed(problem, at, hops, budgets, in_order=True) or ()


def _packed(
    problem: Problem, at: Ints, hops: Sequence[Hop], budgets: Budgets, *, in_order: bool
) -> tuple[Wave, ...] | None:
    state = State(Figures(problem), at)
    rules = _rules_of(problem)
    waiting = list(hops)
    waves: list[Wave] = []
    while waiting:
        wave = _Packing(state, rules, budgets)
        later: list[Hop] = []
        for number, hop in enumerate(waiting):
            if any(hop.agent == other.agent for other in later) or not wave.take(hop):
                later.append(hop)
                if in_order:
                    later += waiting[number + 1 :]
                    break
        if not wave.hops:
            return None
        waves.append(tuple(wave.hops))
        waiting = later
    return tuple(waves)


@dataclass
class _Packing:
    """One wave in the making. The state counts every hop of it as done."""

    state: State
    rules: dict[int, list[Rule]]  # by group
    budgets: Budgets
    hops: list[Hop] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at = self.state.assignment
        # Agents that leave need their room until the wave is over.
        self.room: Floats = np.maximum(self.state.room, 0.0)
        self.under_way = np.zeros(len(self.budgets.most), np.int64)

    def take(self, hop: Hop) -> bool:
        """Add the hop if whatever order the wave is made in breaks nothing."""
        need, kind = self.state.problem.need[hop.agent], self.budgets.kind[hop.agent]
        if self.state.at[hop.agent] != hop.source or self.at[hop.agent] != hop.source:
            return False
        if self.under_way[kind] >= self.budgets.most[kind]:
            return False
        if (need > self.room[hop.target]).any() or not all(
            self._in_any_order(rule, hop) for rule in self.rules.get(self._group(hop), ())
        ):
            return False
        if self.state.change([(hop.agent, hop.target)]) is None:
            return False
        self.room[hop.target] -= need
        self.under_way[kind] += 1
        self.hops.append(hop)
        return True

    def _group(self, hop: Hop) -> int:
        return int(self.state.problem.group[hop.agent])

    def _in_any_order(self, rule: Rule, hop: Hop) -> bool:
        """Whether the rule holds also while some of the other hops are made and some are not.

        Hops that it does not concern do not count; alone, the state decides.
        """
        groups = set(rule.groups) | set(() if isinstance(rule, Spread | Skew) else rule.others)
        domain = self.state.problem.partitions[rule.partition]
        others = [other for other in self.hops if self._group(other) in groups]
        crossing = [
            (int(domain[one.source]), int(domain[one.target]))
            for one in (*others, hop)
            if domain[one.source] != domain[one.target]
        ]
        if not others or domain[hop.source] == domain[hop.target]:
            return True
        if isinstance(rule, Spread | Skew):
            return self._counts_hold(rule, crossing)
        (left, entered), rest = crossing[-1], crossing[:-1]
        if isinstance(rule, Apart):
            return not any(entered == gone or left == come for gone, come in rest)
        return not any({left, entered} & {gone, come} for gone, come in rest)

    def _counts_hold(self, rule: Spread | Skew, crossing: Sequence[tuple[int, int]]) -> bool:
        """The worst that any part of the hops could make of the numbers in each domain."""
        problem = self.state.problem
        domain = problem.partitions[rule.partition]
        members = np.isin(problem.group, rule.groups)
        size = int(domain.max()) + 1
        count = np.bincount(domain[self.at[members]], minlength=size)
        most, fewest = count.copy(), count.copy()
        for left, entered in crossing:
            fewest[left] -= 1
            most[entered] += 1
        if isinstance(rule, Spread):
            return int((fewest > 0).sum()) >= min(rule.at_least, int((count > 0).sum()))
        usable = problem.eligible[problem.eligible_row[list(rule.groups)]].any(axis=0)
        counted = np.unique(domain[usable])
        if not counted.size:
            return True
        above = count[counted] - count[counted].min()
        worst = most[counted] - fewest[counted].min()
        return bool((worst <= np.maximum(above, rule.at_most)).all())


def _rules_of(problem: Problem) -> dict[int, list[Rule]]:
    """The hard rules that look at agents of each group."""
    found: dict[int, list[Rule]] = {}
    rules: tuple[Rule, ...] = (*problem.apart, *problem.together, *problem.spread, *problem.skew)
    for rule in rules:
        groups = set(rule.groups) | set(() if isinstance(rule, Spread | Skew) else rule.others)
        for group in groups:
            found.setdefault(group, []).append(rule)
    return found
