"""All hard rules at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phoenixctl.placement.solver.problem import Bools, Ints, Problem
from phoenixctl.placement.solver.rules.apart import ApartTable
from phoenixctl.placement.solver.rules.skew import SkewTable
from phoenixctl.placement.solver.rules.spread import SpreadTable
from phoenixctl.placement.solver.rules.table import Relocation, RuleTable
from phoenixctl.placement.solver.rules.together import TogetherTable


class RuleBook:
    """The tables of every kind of rule in every partition that has some."""

    def __init__(self, problem: Problem, at: Ints) -> None:
        self.tables: list[RuleTable] = []
        for partition in range(len(problem.partitions)):
            apart = [rule for rule in problem.apart if rule.partition == partition]
            together = [rule for rule in problem.together if rule.partition == partition]
            spread = [rule for rule in problem.spread if rule.partition == partition]
            skew = [rule for rule in problem.skew if rule.partition == partition]
            if apart:
                self.tables.append(ApartTable(problem, partition, apart, at))
            if together:
                self.tables.append(TogetherTable(problem, partition, together, at))
            if spread:
                self.tables.append(SpreadTable(problem, partition, spread, at))
            if skew:
                self.tables.append(SkewTable(problem, partition, skew, at))

    def attempt(self, relocations: Sequence[Relocation]) -> bool:
        """Make these relocations at once if they break nothing further; else none of them."""
        tables = self.tables
        for relocation in relocations:
            for table in tables:
                table.relocate(relocation)
        for relocation in relocations:
            for table in tables:
                if not table.holds(relocation):
                    self._undo(relocations)
                    return False
        for relocation in relocations:
            for table in tables:
                table.settle(relocation)
        return True

    def _undo(self, relocations: Sequence[Relocation]) -> None:
        for group, source, target in reversed(relocations):
            for table in self.tables:
                table.relocate((group, target, source))

    def barred(self, groups: Ints, sources: Ints, targets: Ints) -> Bools:
        """Which of these moves, each on its own, would break a rule."""
        shape = np.broadcast_shapes(groups.shape, sources.shape, targets.shape)
        found = np.zeros(shape, np.bool_)
        for table in self.tables:
            found |= table.barred(groups, sources, targets)
        return found
