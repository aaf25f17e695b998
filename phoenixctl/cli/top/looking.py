"""What the live view is made of: rounds over the nodes, and beside them records and routers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.performance.compliance import assess
from phoenixctl.performance.verdict import current_readings, judge
from phoenixctl.render.plans import words
from phoenixctl.render.top.view import Doing, TopView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.alerting import Alert
    from phoenixctl.model.reading import AgentMetric, Metric
    from phoenixctl.model.snapshot import NodeObservation, Snapshot
    from phoenixctl.ports.records import Holder, Unfinished

NO_COURSES: Final[Mapping[str, Any]] = MappingProxyType({})
_ROUTERS_SECONDS: Final = 5.0


class Beside:
    """What is not asked of nodes: who changes the fleet, routers' weights, alerts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._weighed_at: float | None = None
        self.doing: tuple[Doing, ...] = ()
        self.weights: Mapping[AgentId, int] = {}
        self.alerts: tuple[Alert, ...] | None = None

    async def look(self) -> None:
        """Once; what cannot be known now is left out, for the view is about the nodes."""
        try:
            holder = await self._parts.records.holder()
            unfinished = await self._parts.records.unfinished()
            self.doing = _doing(holder, unfinished)
        except PhoenixError:
            self.doing = ()
        try:
            self.alerts = firing(self._parts)
        except PhoenixError:
            self.alerts = None
        await self._weigh()

    async def _weigh(self) -> None:
        now = self._parts.clock.monotonic()
        if not self._parts.configured.routers:
            return
        if self._weighed_at is not None and now - self._weighed_at < _ROUTERS_SECONDS:
            return
        self._weighed_at = now
        self.weights = await weights_of(self._parts)


def firing(parts: Parts) -> tuple[Alert, ...] | None:
    """The alerts as they were last evaluated, without silenced ones; None when they never were."""
    memory = parts.alerts.recall()
    if memory.evaluated_at is None:
        return None
    from phoenixctl.metrics.alert_notices import unmuted
    from phoenixctl.metrics.alert_rules import labels_of, rules_of
    from phoenixctl.metrics.alerting import alerts_of

    rules, labels = rules_of(parts.fleet.alerts), partial(labels_of, fleet=parts.fleet)
    found = alerts_of(rules, memory.standings, labels)
    return unmuted(found, memory.silences, parts.clock.epoch())


async def weights_of(parts: Parts) -> dict[AgentId, int]:
    """The weights that routers give agents now; a router that does not answer is left out."""
    from phoenixctl.planning.routing import agent_of

    found: dict[AgentId, int] = {}

    async def ask(name: str) -> None:
        router = parts.routers[name]
        backends = router.settings.backends
        try:
            for backend in sorted(set(backends.values())):
                specs = {spec for spec, of in backends.items() if of == backend}
                for seen in await router.members(backend):
                    agent = agent_of(seen.member.name, specs)
                    if agent is not None:
                        effective = seen.effective_weight
                        weight = seen.member.weight if effective is None else effective
                        found[agent] = found.get(agent, 0) + weight
        except PhoenixError:
            return

    await asyncio.gather(*(ask(name) for name in parts.routers))
    return found


def view_of(
    parts: Parts,
    nodes: tuple[NodeName, ...],
    snapshot: Snapshot,
    last: Mapping[NodeName, NodeObservation],
    beside: Beside,
    *,
    courses: Mapping[str, Mapping[Metric | AgentMetric, Sequence[float]]] = NO_COURSES,
) -> TopView:
    """Judge what was seen."""
    current = current_readings(snapshot, parts.records.availability())
    return TopView(
        fleet=parts.fleet,
        nodes=nodes,
        snapshot=snapshot,
        verdict=judge(parts.fleet, snapshot),
        targets=assess(parts.fleet.targets, current),
        at=parts.clock.epoch(),
        last=last,
        doing=beside.doing,
        alerts=beside.alerts,
        weights=beside.weights,
        courses=courses,
    )


@asynccontextmanager
async def in_background(*works: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Coroutines that run while something else does, and are ended with it."""
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _doing(holder: Holder | None, unfinished: Iterable[Unfinished]) -> tuple[Doing, ...]:
    steps = tuple(words(one.step) for one in unfinished)
    if holder is not None:
        by, since = f"{holder.by} on {holder.host}", _seconds(holder.since)
        return (Doing(holder.operation, by, since, steps, cut_off=not holder.live),)
    left = next(iter(unfinished), None)
    return () if left is None else (Doing(left.title, "", None, steps, cut_off=True),)


def _seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
