"""What is kept of a round: for the next one to go on from, and as values over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from phoenixctl.balancing.kept import round_document
from phoenixctl.metrics.series import Batch, History
from phoenixctl.metrics.subjects import agent_subject
from phoenixctl.metrics.trend import Direction, trend
from phoenixctl.metrics.windows import summed
from phoenixctl.model.balancing import BalanceMemory, KeptBackend, KeptMember
from phoenixctl.planning.weighing import Weighed, Weighing


def remembered(
    found: Sequence[Weighing], memory: BalanceMemory, *, at_seconds: float
) -> BalanceMemory:
    """What the next round goes on from; to be kept before the plan is carried out, so that both the
    weights that are set and those that will be are known as ours."""
    backends = dict(memory.backends)
    for weighing in found:
        if not weighing.counts and weighing.of in backends:
            continue  # it has lost its members, and what is known of them is worth keeping
        rows = {m.name: m for m in weighing.members}
        members = {
            name: replace(
                kept,
                weight=rows[name].weight or 0.0,
                set=_set(rows[name], kept),
            )
            for name, kept in weighing.counts.items()
        }
        backends[weighing.of] = KeptBackend(
            at_seconds, weighing.pid, MappingProxyType(members), round_document(weighing.round)
        )
    return replace(memory, backends=MappingProxyType(backends))


def _set(row: Weighed, kept: KeptMember) -> tuple[int, ...]:
    """One that somebody else holds keeps what was set last, as that is how it is told."""
    if row.wanted is None:
        return kept.set
    return (row.now, row.wanted) if row.wanted != row.now else (row.wanted,)


def round_batches(found: Sequence[Weighing], *, at_seconds: float) -> tuple[Batch, ...]:
    """A round as values over time, by `node/agent`; an agent may be behind several backends, so
    that each has metrics of its own: `balance_weight{backend="lb/web"}`."""
    return tuple(batch for one in found if (batch := _batch(one, at_seconds)) is not None)


def _batch(weighing: Weighing, at_seconds: float) -> Batch | None:
    ours = {agent_subject(m.node, m.agent): m for m in weighing.members if m.agent and m.node}
    if not ours:
        return None
    subjects = tuple(sorted(ours))
    rows = [ours[subject] for subject in subjects]
    columns = {
        "balance_weight": [_or_nan(m.weight) for m in rows],
        "balance_weight_set": [float(m.now) for m in rows],
        "balance_weight_effective": [_or_nan(m.seen.effective_weight) for m in rows],
        "balance_capacity": [_or_nan(m.capacity) for m in rows],
        "balance_requests": [_or_nan(m.requests_per_second) for m in rows],
    }
    return Batch(
        at_seconds,
        subjects,
        {labelled(name, weighing.of): _float32(column) for name, column in columns.items()},
    )


def growth(requests: History, *, ahead_seconds: float) -> float:
    """The load so far ahead as a multiple of the latest, from the trend of earlier rounds; from a
    half to twice as much, and 1 where no trend is sure. `requests` are by member."""
    known = ~np.isnan(requests.values).all(axis=1)
    total = summed(requests.values[known])
    found = trend(requests.times[known], total)
    if found is None or found.direction is Direction.NONE:
        return 1.0
    latest = float(np.median(total[-3:]))
    return 1.0 if latest <= 0 else min(max(1 + found.slope * ahead_seconds / latest, 0.5), 2.0)


def labelled(name: str, of: str) -> str:
    """The metric of a backend."""
    return f'{name}{{backend="{of}"}}'


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _float32(values: list[float]) -> NDArray[np.float32]:
    return np.array(values, np.float32)
