"""Keep one value that a script or a program measured itself."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from phoenixctl.metrics.digest import digest
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch, History, Tier
from phoenixctl.ports.metrics import MetricStore

_STEP: Final = 0.001  # what is kept at one millisecond replaces what was kept there before


def record(
    store: MetricStore, metric: str, value: float, *, kind: Kind, subject: str, at_seconds: float
) -> float:
    """Keep a value as of this moment, or just after the last one; returns what is kept.

    Of a counter, the value is what is added to it. Whoever calls this for a counter, timer or
    histogram takes turns with others who do.
    """
    if kind is Kind.GAUGE:
        at = at_seconds
    else:
        recent = store.read(metric, start=at_seconds - 1, until=at_seconds + 1)
        at = max(at_seconds, (recent.times[-1] + _STEP) if len(recent.times) else at_seconds)
    kept = value
    if kind is Kind.COUNTER:
        kept += _last(store, metric, subject, until=at)
    store.write(_batch(metric, kept, kind, subject, at))
    return kept


def _batch(metric: str, value: float, kind: Kind, subject: str, at: float) -> Batch:
    if kind.observed:
        observed = {metric: digest([value])}
        return Batch(at, (subject,), {}, {metric: kind}, observed)
    return Batch(at, (subject,), {metric: np.array([value])}, {metric: kind})


def _last(store: MetricStore, metric: str, subject: str, *, until: float) -> float:
    """What the counter was at last; 0 for one that is new, or so old that nothing of it is kept."""
    for tier in Tier:
        history = store.read(metric, start=until - tier.kept_seconds, until=until, tier=tier)
        if subject in history.subjects:
            found = latest(history, subject)
            if found is not None:
                return found[1]
    return 0.0


def latest(history: History, subject: str) -> tuple[float, float] | None:
    """When a subject's value was known last, and what it was."""
    column = history.values[:, history.subjects.index(subject)]
    return _last_known(zip(history.times.tolist(), column.tolist(), strict=True))


def _last_known(pairs: Iterable[tuple[float, float]]) -> tuple[float, float] | None:
    found = None
    for at, value in pairs:
        if not math.isnan(value):
            found = (at, value)
    return found
