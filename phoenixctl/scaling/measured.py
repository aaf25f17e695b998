"""Values of nodes and agents as one value of their pool, now and over time.

Of a ratio, a time or an age the pool has the mean over its nodes, of all else the sum: requests,
bytes and waiting messages add up. What is kept for the fleet as a whole is the same for each pool.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.metrics.kinds import Kind, parse
from phoenixctl.metrics.rates import rates
from phoenixctl.metrics.series import History
from phoenixctl.metrics.subjects import FLEET, agent_of, node_of
from phoenixctl.model.reading import UNITS, Unit

Floats = NDArray[np.float64]

_UNITS: Final[Mapping[str, Unit]] = {metric.value: unit for metric, unit in UNITS.items()}
_OF_ONE: Final = frozenset({Unit.RATIO, Unit.SECONDS})
_ENDS: Final = (
    "_utilization", "_ratio", "_percent", "_seconds", "_age", "_lag", "_mean", "_p50", "_p95",
    "_p99",
)  # fmt: skip


class Fold(StrEnum):
    """How values of nodes become that of their pool."""

    MEAN = "mean"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class Present:
    """A pool's value now, None where none is known; and its nodes that count and have none."""

    value: float | None
    missing: tuple[str, ...] = ()


def fold_of(metric: str) -> Fold:
    """By its unit; of one that scripts or collectors have named, by the end of its name."""
    try:
        name = parse(metric)[0]
    except ValueError:
        name = metric
    unit = _UNITS.get(name)
    if unit is not None:
        # How busy a node is beside others, not how much of it there is.
        alone = unit in _OF_ONE or name.startswith(("load_", "run_queue"))
        return Fold.MEAN if alone else Fold.SUM
    return Fold.MEAN if name.endswith(_ENDS) else Fold.SUM


def present(metric: str, values: Mapping[str, float], nodes: Collection[str]) -> Present:
    """Now, of a metric that is no counter. `values`: by subject; `nodes`: those that count."""
    chosen = _chosen(tuple(values), nodes)
    if not chosen:
        return Present(None, tuple(sorted(nodes)))
    found = np.array([values[subject] for subject in chosen], np.float64)
    value = found.mean() if fold_of(metric) is Fold.MEAN else found.sum()
    if chosen == (FLEET,) or agent_of(chosen[0]) is not None:
        return Present(float(value))  # which agents should have one is not known here
    there = set(chosen)
    return Present(float(value), tuple(sorted(node for node in nodes if node not in there)))


def over_time(
    metric: str, history: History, kind: Kind, nodes: Collection[str] | None
) -> tuple[Floats, Floats]:
    """Times and the pool's value at each, NaN where it is not known; of a counter its growth per
    second. `nodes` None: all that there are.

    A time at which less is known than half of what the times around it have is not known.
    """
    chosen = _chosen(history.subjects, nodes)
    if not chosen or not history.times.size:
        return np.empty(0), np.empty(0)
    columns = [history.subjects.index(subject) for subject in chosen]
    values = history.values[:, columns].astype(np.float64)
    if kind is Kind.COUNTER:
        values = rates(history.times, values)
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.sum(values, axis=1, where=known)
    folded = total / np.maximum(count, 1) if fold_of(metric) is Fold.MEAN else total
    usual = float(np.median(count[count > 0])) if count.any() else 0.0
    return history.times, np.where(count * 2 >= max(usual, 1.0), folded, np.nan)


def _chosen(subjects: Collection[str], nodes: Collection[str] | None) -> tuple[str, ...]:
    """Those of the pool: its nodes, else agents on them, else the fleet as a whole."""
    mine = [s for s in subjects if s != FLEET and (nodes is None or node_of(s) in nodes)]
    whole = tuple(s for s in mine if agent_of(s) is None)
    return whole or tuple(mine) or tuple(s for s in subjects if s == FLEET)
