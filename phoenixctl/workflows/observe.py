"""See the fleet: one survey per node, then what its agents say of themselves, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Outcome, Succeeded
from phoenixctl.model.reading import Metric, Reading
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.reach import Reach, Session
from phoenixctl.remote.fold import node_readings
from phoenixctl.remote.survey import parse_survey, survey_command

if TYPE_CHECKING:
    from phoenixctl.ports.records import Records  # plans and state are not for those who only look

SURVEY_TIMEOUT_SECONDS: Final = 10.0
SCRAPE_INTERVAL_SECONDS: Final = 0.25

OnNode = Callable[[NodeName, NodeObservation | NodeUnobserved], None]


@dataclass(frozen=True, slots=True)
class Depth:
    """How much to ask. Without `agents`, agents are listed but not asked how they are."""

    agents: bool = True
    rates: bool = True  # two readings instead of one, a quarter of a second apart


FULL: Final = Depth()
READY: Final = Depth(rates=False)  # what runs, and whether it serves
WHAT_RUNS: Final = Depth(agents=False, rates=False)  # enough for a plan, in half the time


async def observe(
    fleet: Fleet,
    reach: Reach,
    clock: Clock,
    records: Records,
    *,
    nodes: Iterable[NodeName] | None = None,
    depth: Depth = FULL,
    on_node: OnNode | None = None,
) -> Snapshot:
    """A snapshot of these nodes (None: of all). A node that fails is in it as unobserved."""
    wanted = tuple(fleet.nodes) if nodes is None else tuple(nodes)

    async def survey(session: Session) -> NodeObservation:
        return await _survey(session, fleet, clock, depth)

    def report(name: NodeName, outcome: Outcome[NodeObservation]) -> None:
        if on_node is not None:
            on_node(name, _seen(name, outcome, clock))

    outcomes = await reach.each(wanted, survey, on_outcome=report)
    records.sighted(
        {name: isinstance(outcome, Succeeded) for name, outcome in outcomes.items()},
        epoch=clock.epoch(),
    )
    known = records.availability()
    seen = {
        name: _with_availability(_seen(name, outcome, clock), known.get(name))
        for name, outcome in outcomes.items()
    }
    return Snapshot(fleet.name, clock.monotonic(), clock.utc(), MappingProxyType(seen))


def _seen(
    name: NodeName, outcome: Outcome[NodeObservation], clock: Clock
) -> NodeObservation | NodeUnobserved:
    if isinstance(outcome, Succeeded):
        return outcome.value
    return NodeUnobserved(name, clock.monotonic(), outcome.seconds, outcome.error)


def _with_availability(
    node: NodeObservation | NodeUnobserved, availability: float | None
) -> NodeObservation | NodeUnobserved:
    if isinstance(node, NodeUnobserved) or availability is None:
        return node
    metrics = dict(node.metrics)
    metrics[Metric.AVAILABILITY] = Reading(availability, node.at)
    return replace(node, metrics=metrics)


async def _survey(session: Session, fleet: Fleet, clock: Clock, depth: Depth) -> NodeObservation:
    node = fleet.nodes[session.node]
    start = clock.monotonic()
    interval = SCRAPE_INTERVAL_SECONDS if depth.rates else None
    command = survey_command(node, fleet.name, interval_seconds=interval or 0.0)
    completed = await session.run(command, timeout_seconds=SURVEY_TIMEOUT_SECONDS)
    now = clock.monotonic()
    if not completed.ok and not completed.stdout:
        words = completed.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CommandFailed(
            f"{node.name} could not be read: {words[-1] if words else 'the probe printed nothing'}",
            hint=f"phoenixctl doctor --nodes {node.name}",
        )
    observation = parse_survey(completed.stdout, node=node, at=now, seconds=now - start)
    if not depth.agents or not observation.agents:
        return observation
    from phoenixctl.workflows.ask import ask  # many fleets are looked at before they have agents

    asked = (ask(session, a, fleet, clock, interval_seconds=interval) for a in observation.agents)
    agents = await asyncio.gather(*asked)
    folded = node_readings(agents, at=clock.monotonic())
    return replace(
        observation,
        seconds=clock.monotonic() - start,
        agents=tuple(agents),
        metrics=MappingProxyType({**observation.metrics, **folded}),
    )
