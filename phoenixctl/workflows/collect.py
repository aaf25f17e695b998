"""Gather the metrics of a fleet once, keep them, and forget what is old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from phoenixctl.metrics.collected import batches_of_asked
from phoenixctl.metrics.gathered import Collected, batches_of, metrics_in, values_in
from phoenixctl.model.measuring import Asked
from phoenixctl.model.reading import Reading
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.performance.over_time import target_values
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.metrics import MetricStore
from phoenixctl.workflows.record import last_total


async def collect(
    look: Callable[[], Awaitable[Snapshot]],
    targeted: Callable[[Snapshot], Mapping[str, Reading]],
    ask: Callable[[Snapshot], Awaitable[Sequence[Asked]]],
    store: MetricStore,
    clock: Clock,
) -> Collected:
    """One tick. Nodes that give no answer are kept as such, which is what their absence means.

    `targeted`: the values that targets are held against, of a snapshot. `ask`: what collectors
    give on the nodes that answered.
    """
    at = clock.epoch()
    snapshot = await look()
    asked = tuple(await ask(snapshot))

    def total(metric: str, subject: str) -> float:
        return last_total(store, metric, subject, until=at)

    of_fleet = target_values(targeted(snapshot), at_seconds=at)
    batches = (
        *batches_of(snapshot, at_seconds=at),
        *([of_fleet] if of_fleet.columns else ()),
        *batches_of_asked(asked, total, at_seconds=at),
    )
    for batch in batches:
        store.write(batch)
    store.forget(now=at)
    return Collected(snapshot, at, len(metrics_in(batches)), values_in(batches), asked)
