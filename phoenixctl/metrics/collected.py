"""What collectors found on nodes, as batches for the store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from phoenixctl.metrics.digest import digests
from phoenixctl.metrics.gathered import batches_of_samples
from phoenixctl.metrics.kinds import Kind, build
from phoenixctl.metrics.series import Batch
from phoenixctl.model.measuring import Asked, Sample

COLLECTOR_UP = "collector_up"  # 1: it gave all that it has; 0: it failed

Total = Callable[[str, str], float]
"""What a counter of a subject was at last."""


def batches_of_asked(
    asked: Iterable[Asked], total: Total, *, at_seconds: float
) -> tuple[Batch, ...]:
    """Each metric carries its collector's name as `job`; a job that it has itself becomes
    `exported_job`, as Prometheus has it. The subject is the node.
    """
    values: dict[str, dict[str, float]] = {}
    observed: dict[str, dict[str, list[float]]] = {}
    kinds: dict[str, Kind] = {}
    for one in asked:
        node, job = str(one.node), one.collector.name
        up = build(COLLECTOR_UP, {"job": job})
        values.setdefault(up, {})[node] = float(one.error is None)
        for sample in one.samples:
            metric = _metric(sample, job)
            kind = Kind.COUNTER if sample.kind == "increment" else Kind(sample.kind)
            kinds[metric] = kind
            if kind.observed:
                observed.setdefault(metric, {}).setdefault(node, []).append(sample.value)
                continue
            grown = sample.kind == "increment"
            values.setdefault(metric, {})[node] = sample.value + (
                total(metric, node) if grown else 0.0
            )
    return (
        *batches_of_samples(values, at_seconds=at_seconds, kinds=kinds),
        *(_observed(metric, of, kinds[metric], at_seconds) for metric, of in observed.items()),
    )


def _metric(sample: Sample, job: str) -> str:
    labels = dict(sample.labels)
    if "job" in labels:
        labels["exported_job"] = labels.pop("job")
    return build(sample.name, {**labels, "job": job})


def _observed(metric: str, of: Mapping[str, list[float]], kind: Kind, at_seconds: float) -> Batch:
    subjects = tuple(sorted(of))
    most = max(len(values) for values in of.values())
    rows = [of[s] + [math.nan] * (most - len(of[s])) for s in subjects]
    found = digests(np.array(rows, np.float64).T)
    return Batch(at_seconds, subjects, {}, {metric: kind}, {metric: found})
