"""Keep one value that a script or a program measured itself."""

from __future__ import annotations

from typing import Final

import numpy as np

from phoenixctl.metrics.digest import digest
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rollup import GAP_SECONDS
from phoenixctl.metrics.series import Batch, Tier
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
        before = _last(store, metric, subject, until=at)
        total = before[1] if before else 0.0
        if before is None or at - before[0] > GAP_SECONDS:
            # From here on it grows: without that, the growth of what comes seldom is not known.
            store.write(_batch(metric, total, kind, subject, at - 1))
        kept += total
    store.write(_batch(metric, kept, kind, subject, at))
    return kept


def _batch(metric: str, value: float, kind: Kind, subject: str, at: float) -> Batch:
    if kind.observed:
        observed = {metric: digest([value])}
        return Batch(at, (subject,), {}, {metric: kind}, observed)
    return Batch(at, (subject,), {metric: np.array([value])}, {metric: kind})


def last_total(store: MetricStore, metric: str, subject: str, *, until: float) -> float:
    """What the counter was at last; 0 for one that is new, or that nothing was added to for so long
    that its totals are rolled up: then it begins anew.
    """
    found = _last(store, metric, subject, until=until)
    return found[1] if found else 0.0


def _last(
    store: MetricStore, metric: str, subject: str, *, until: float
) -> tuple[float, float] | None:
    """When it was written last, and its total."""
    history = store.read(metric, start=until - Tier.SECOND.kept_seconds, until=until)
    if subject not in history.subjects:
        return None
    column = history.values[:, history.subjects.index(subject)]
    known = np.flatnonzero(~np.isnan(column))
    return (float(history.times[known[-1]]), float(column[known[-1]])) if known.size else None
