"""What an agent says of itself: whether it is ready, and its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import AgentSpec, Fleet
from phoenixctl.model.hooks import MetricNames
from phoenixctl.model.reading import AgentMetric, Reading, unknown
from phoenixctl.model.snapshot import AgentObservation, AgentState
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.reach import HttpRequest, Session
from phoenixctl.remote.exposition import Scraped, agent_readings
from phoenixctl.workflows.hooks import passes


async def ask(
    session: Session,
    agent: AgentObservation,
    fleet: Fleet,
    clock: Clock,
    *,
    interval_seconds: float | None,
) -> AgentObservation:
    """The agent with its own words added. One that does not run, or has no spec, is not asked.

    Rates come from two readings `interval_seconds` apart; None: one reading, and no rates.
    """
    spec = fleet.agents.get(agent.spec_name)
    if spec is None or agent.state is not AgentState.RUNNING:
        return agent
    ready, scraped = await asyncio.gather(
        _ready(session, agent, spec, fleet),
        _scrape(session, agent, spec.metrics, clock, interval_seconds),
    )
    metrics: Mapping[AgentMetric, Reading] = {**agent.metrics, **scraped.metrics}
    return replace(
        agent, ready=ready, metrics=MappingProxyType(dict(metrics)), responses=scraped.responses
    )


async def _ready(
    session: Session, agent: AgentObservation, spec: AgentSpec, fleet: Fleet
) -> bool | None:
    if spec.ready is None:
        return None
    return await passes(session, spec.ready.check, agent.id, agent.port, fleet)


async def _scrape(
    session: Session,
    agent: AgentObservation,
    names: MetricNames | None,
    clock: Clock,
    interval_seconds: float | None,
) -> Scraped:
    if names is None:
        return _nothing("its spec names no metrics", clock)
    port = names.port or agent.port
    if port is None:
        return _nothing("it has no port", clock)
    request = HttpRequest(port, names.path)
    first, start = await _page(session, request), clock.monotonic()
    if interval_seconds is None:
        return agent_readings(names, None, first, seconds=0.0, at=start)
    await asyncio.sleep(interval_seconds)
    second, end = await _page(session, request), clock.monotonic()
    return agent_readings(names, first, second, seconds=end - start, at=end)


async def _page(session: Session, request: HttpRequest) -> bytes | None:
    try:
        response = await session.http(request)
    except PhoenixError:
        return None
    return response.body if response.ok else None


def _nothing(why: str, clock: Clock) -> Scraped:
    at = clock.monotonic()
    asked = (
        AgentMetric.RESPONSE_MEAN,
        AgentMetric.RESPONSE_P95,
        AgentMetric.THROUGHPUT,
        AgentMetric.ERROR_RATE,
        AgentMetric.QUEUE,
        AgentMetric.UTILIZATION,
    )
    return Scraped({metric: unknown(why, at=at) for metric in asked}, None)
