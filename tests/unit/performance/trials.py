"""Trials with a known effect: nodes that differ, drift of their own and a fleet that moves."""

from __future__ import annotations

import numpy as np

from phoenixctl.performance.effect import Course

BEFORE, AFTER = 10, 5


def trial(
    rng: np.random.Generator,
    *,
    rise: float = 0.0,
    nodes: int = 20,
    canaries: int = 5,
    noise: float = 0.05,
    drift: float = 0.02,
    swing: float = 0.0,
    after: int = AFTER,
) -> Course:
    """95th percentiles by minute. Each node has its own level, walks by `drift` a minute, and is
    measured with `noise`; the whole fleet rises by `swing` when the trial begins."""
    count = BEFORE + after
    level = rng.normal(np.log(0.04), 0.3, nodes)
    walk = np.cumsum(rng.normal(0, drift, (count, nodes)), axis=0)
    logs = level + walk + rng.normal(0, noise, (count, nodes))
    canary = np.zeros(nodes, bool)
    canary[rng.permutation(nodes)[:canaries]] = True
    logs[BEFORE:] += swing
    logs[BEFORE:, canary] += np.log1p(rise)
    return Course(np.exp(logs[:BEFORE]), np.exp(logs[BEFORE:]), canary, planned=after)
