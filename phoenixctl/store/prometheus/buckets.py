"""Samples in buckets of time, made when they are asked for."""

from __future__ import annotations

import numpy as np

from phoenixctl.metrics.digest import Digests
from phoenixctl.metrics.kinds import Kind, build, parse
from phoenixctl.metrics.rollup import GAP_SECONDS, RollUps, rolled_up
from phoenixctl.metrics.series import History, Tier, Values
from phoenixctl.metrics.windows import PERCENTILES


def bucket(tier: Tier, at: float) -> float:
    """When the bucket begins that this time is in; in the first tier each time is one."""
    return at if tier is Tier.SECOND else at // tier.resolution_seconds * tier.resolution_seconds


def in_buckets(samples: History, kind: Kind, tier: Tier, *, start: float) -> RollUps:
    """The buckets that begin at `start` or later; what is before says from where a counter grew."""
    begins = np.array([bucket(tier, at) for at in samples.times.tolist()])
    times, parts = [], []
    for begin in np.unique(begins[samples.times >= start]):
        first = samples.times[np.argmax(begins == begin)]
        chosen = begins == begin
        if kind is Kind.COUNTER:
            chosen = (samples.times > first - GAP_SECONDS) & (begins <= begin)
        part = History(samples.times[chosen], samples.subjects, samples.values[chosen])
        made = rolled_up(part, kind, start=first)
        if made is not None:
            times.append(begin)
            parts.append(made.digests)
    return RollUps(
        np.array(times, np.float64), tier.resolution_seconds, samples.subjects, tuple(parts)
    )


def grown(found: RollUps) -> History:
    """By how much a counter has grown since the first of these buckets."""
    total = np.cumsum(found.total, axis=0)
    return History(found.times, found.subjects, np.where(found.count > 0, total, np.nan))


def summary(metric: str, observed: Digests) -> dict[str, Values]:
    """The mean of what was observed, and as a summary of Prometheus has it three quantiles."""
    name, labels = parse(metric)
    found = {metric: observed.mean}
    for percentile in PERCENTILES:
        quantile = build(name, {**labels, "quantile": str(percentile / 100)})
        found[quantile] = observed.percentile(percentile)
    return {name: values.astype(np.float32) for name, values in found.items()}
