"""What a node's agents report, as metrics of the node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from phoenixctl.model.histogram import Histogram, merged
from phoenixctl.model.reading import AgentMetric, Metric, Reading, unknown
from phoenixctl.model.snapshot import AgentObservation


def node_readings(agents: Iterable[AgentObservation], *, at: float) -> dict[Metric, Reading]:
    """Sums of queues and throughput, response times of all messages, errors of all messages.

    Where only some of the agents report, the reading is of these, and `why` says how many.
    """
    agents = tuple(agents)
    mean, p95 = _response_times(agents, at=at)
    return {
        Metric.QUEUE: _total(agents, AgentMetric.QUEUE, at=at),
        Metric.THROUGHPUT: _total(agents, AgentMetric.THROUGHPUT, at=at),
        Metric.RESPONSE_MEAN: mean,
        Metric.RESPONSE_P95: p95,
        Metric.ERROR_RATE: _error_rate(agents, at=at),
    }


def responses_of(agents: Iterable[AgentObservation]) -> Histogram | None:
    """The response times of a node's agents together; None when none of them reports any."""
    reporting = [agent for agent in agents if agent.responses is not None]
    # An idle agent gives its whole life: it must not outweigh what the others do now.
    working = [agent for agent in reporting if _throughput(agent) > 0] or reporting
    return merged(agent.responses for agent in working if agent.responses is not None)


def _values(agents: Sequence[AgentObservation], metric: AgentMetric) -> list[tuple[float, float]]:
    """The known values, each with its agent's throughput (1 where that is not known)."""
    values = []
    for agent in agents:
        reading = agent.metrics.get(metric)
        if reading is not None and reading.value is not None:
            values.append((reading.value, _throughput(agent)))
    return values


def _throughput(agent: AgentObservation) -> float:
    reading = agent.metrics.get(AgentMetric.THROUGHPUT)
    return 1.0 if reading is None or reading.value is None else reading.value


def _of(count: int, agents: Sequence[AgentObservation]) -> str:
    return "" if count == len(agents) else f"{count} of {len(agents)} agents report it"


def _total(agents: Sequence[AgentObservation], metric: AgentMetric, *, at: float) -> Reading:
    values = [value for value, _ in _values(agents, metric)]
    if not values:
        return unknown("no agent reports it", at=at)
    return Reading(sum(values), at, _of(len(values), agents))


def _error_rate(agents: Sequence[AgentObservation], *, at: float) -> Reading:
    values = _values(agents, AgentMetric.ERROR_RATE)
    if not values:
        return unknown("no agent reports it", at=at)
    messages = sum(weight for _, weight in values)
    if messages:
        rate = sum(value * weight for value, weight in values) / messages
    else:
        rate = sum(value for value, _ in values) / len(values)
    return Reading(rate, at, _of(len(values), agents))


def _response_times(agents: Sequence[AgentObservation], *, at: float) -> tuple[Reading, Reading]:
    reporting = sum(agent.responses is not None for agent in agents)
    all_of_them = responses_of(agents)
    if all_of_them is None:
        missing = unknown("no agent reports it", at=at)
        return missing, missing
    why = _of(reporting, agents)
    p95 = all_of_them.quantile(0.95)
    return (
        Reading(all_of_them.mean(), at, why),
        unknown("no buckets", at=at) if p95 is None else Reading(p95, at, why),
    )
