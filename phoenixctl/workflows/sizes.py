"""Wanted sizes of pools: recorded with a plan, and put back to what is when it did not succeed."""

from __future__ import annotations

from collections import Counter
from typing import Final

from phoenixctl.model.plan import Action
from phoenixctl.model.state import Patch, PoolRecord, State, combined, patched
from phoenixctl.workflows.report import StepOutcome, StepResult
from phoenixctl.workflows.work import Work

_OF_NODES: Final = frozenset({Action.CREATE, Action.JOIN, Action.DESTROY, Action.FORGET})


class Sizes:
    """The pools of which a plan wants another size, while its steps end."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._sizes = work.plan.sizes
        self._to_come = Counter(
            step.pool
            for step in work.plan.steps
            if step.action in _OF_NODES and step.pool in self._sizes
        )
        self._missed: set[str] = set()

    def wanted(self) -> Patch:
        """What to record before the first step."""
        return Patch(pools={pool: self._record(pool, size) for pool, size in self._sizes.items()})

    def after(self, result: StepResult, patch: Patch) -> Patch:
        """What to record at the end of a step that itself has changed `patch`."""
        pool = result.step.pool
        if pool not in self._to_come or result.step.action not in _OF_NODES:
            return patch
        self._to_come[pool] -= 1
        if result.outcome is not StepOutcome.OK:
            self._missed.add(pool)
        if self._to_come[pool] or pool not in self._missed:
            return patch
        really = _count(patched(self._work.state, patch), pool)
        return combined(patch, Patch(pools={pool: self._record(pool, really)}))

    def _record(self, pool: str, size: int) -> PoolRecord:
        means = self._work.means
        configured = means.fleet.pools[pool].size if pool in means.fleet.pools else None
        return PoolRecord(size, configured, means.by, means.clock.utc())


def _count(state: State, pool: str) -> int:
    return sum(record.node.pool == pool for record in state.nodes.values())
