"""Gather the metrics of a fleet once, keep them, and forget what is old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import numpy as np

from phoenixctl.metrics.gathered import Collected, batches_of, metrics_in
from phoenixctl.model.reading import Reading
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.performance.over_time import target_values
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.metrics import MetricStore


async def collect(
    look: Callable[[], Awaitable[Snapshot]],
    targeted: Callable[[Snapshot], Mapping[str, Reading]],
    store: MetricStore,
    clock: Clock,
) -> Collected:
    """One tick. Nodes that give no answer are kept as such, which is what their absence means.

    `targeted`: the values that targets are held against, of a snapshot.
    """
    at = clock.epoch()
    snapshot = await look()
    of_fleet = target_values(targeted(snapshot), at_seconds=at)
    batches = (*batches_of(snapshot, at_seconds=at), *([of_fleet] if of_fleet.columns else ()))
    for batch in batches:
        store.write(batch)
    store.forget(now=at)
    known = sum(
        int(np.count_nonzero(~np.isnan(values)))
        for batch in batches
        for values in batch.columns.values()
    )
    return Collected(snapshot, at, len(metrics_in(batches)), known)
