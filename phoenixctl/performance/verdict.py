"""The verdict on a fleet: healthy, or degraded and why; and which node is worst."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from phoenixctl.model.fleet import Fleet, Targets
from phoenixctl.model.histogram import merged
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import AgentMetric, Metric, Reading, unknown
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)
from phoenixctl.model.units import format_duration, format_ratio

# A node is slow when its 95th percentile is at least this many times the median of the others
# and also above the target: twice a tiny number hurts nobody.
SLOW_FACTOR: Final = 2.0
MEMORY_WARNING: Final = 0.85
CPU_WARNING: Final = 0.8
DISK_WARNING: Final = 0.9
ERROR_RATE_WARNING: Final = 0.05


class Level(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"  # no node answers
    EMPTY = "empty"  # there is no node


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"
    NOTE = "note"


_WEIGHT: Final = {Severity.CRITICAL: 100.0, Severity.WARNING: 10.0, Severity.NOTE: 1.0}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth saying about a node, an agent or the fleet."""

    severity: Severity
    about: str
    what: str
    node: NodeName | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    level: Level
    findings: tuple[Finding, ...]  # gravest first

    def of(self, node: NodeName) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.node == node)

    def badness(self, node: NodeName) -> float:
        """How much is wrong with a node: for `worst first`."""
        return sum(_WEIGHT[f.severity] for f in self.of(node))


def judge(fleet: Fleet, snapshot: Snapshot) -> Verdict:
    """What is wrong with the fleet, from one snapshot."""
    findings = [
        *_unobserved(snapshot),
        *_nodes(snapshot, fleet.targets),
        *_slow(snapshot, fleet.targets),
        *_agents(fleet, snapshot),
    ]
    order = list(Severity)
    findings.sort(key=lambda f: order.index(f.severity))
    return Verdict(_level(snapshot, findings), tuple(findings))


def current_readings(
    snapshot: Snapshot, availability: Mapping[NodeName, float]
) -> dict[str, Reading]:
    """The values that targets are held against, by target name.

    Utilisation is the busier of CPU and memory on each node, averaged. Availability is the product
    over nodes of answered observations (a serial fleet, as specified). Scaling response has no
    value before something was scaled.
    """
    # As old as the oldest answer that it was made of.
    at = min((node.at for node in snapshot.observed()), default=snapshot.taken_at)
    agents = snapshot.agents()
    responses = merged(a.responses for a in agents if a.responses is not None)
    p95 = responses.quantile(0.95) if responses else None
    flows = [_known(a, AgentMetric.THROUGHPUT) for a in agents]
    throughput = [f for f in flows if f is not None]
    busy = [b for n in snapshot.observed() if (b := _busiest(n)) is not None]
    product = 1.0
    for name in snapshot.nodes:
        product *= availability.get(name, 1.0)
    seen = any(name in availability for name in snapshot.nodes)

    def reading(value: float | None, why: str) -> Reading:
        return unknown(why, at=at) if value is None else Reading(value, at)

    return {
        "agent_response_time_p95": reading(p95, "no response time was reported"),
        "message_throughput": reading(
            sum(throughput) if throughput else None, "no throughput was reported"
        ),
        "cluster_availability": reading(product if seen else None, "no observation is recorded"),
        "resource_utilization": reading(
            sum(busy) / len(busy) if busy else None, "no node reports its load"
        ),
        "scaling_response_time": unknown("nothing was scaled yet", at=at),
    }


def covers(fleet: Fleet, snapshot: Snapshot) -> bool:
    """Whether the snapshot is of the whole fleet and not of chosen nodes."""
    return fleet.nodes.keys() <= snapshot.nodes.keys()


def _level(snapshot: Snapshot, findings: Iterable[Finding]) -> Level:
    if not snapshot.nodes:
        return Level.EMPTY
    if not snapshot.observed():
        return Level.DOWN
    grave = any(f.severity is not Severity.NOTE for f in findings)
    return Level.DEGRADED if grave else Level.HEALTHY


def _unobserved(snapshot: Snapshot) -> Iterable[Finding]:
    for node in snapshot.unobserved():
        yield Finding(Severity.CRITICAL, node.name, _first_line(str(node.error)), node.name)


def _nodes(snapshot: Snapshot, targets: Targets) -> Iterable[Finding]:
    cpu_limit = max(CPU_WARNING, targets.resource_utilization)
    limits = (
        (Metric.CPU, "CPU", cpu_limit),
        (Metric.MEMORY, "memory", MEMORY_WARNING),
        (Metric.DISK, "disk", DISK_WARNING),
        (Metric.ERROR_RATE, "error rate", ERROR_RATE_WARNING),
    )
    for node in snapshot.observed():
        for metric, words, limit in limits:
            value = node.metrics[metric].value
            if value is not None and value > limit:
                what = f"{words} at {format_ratio(value)}"
                yield Finding(Severity.WARNING, node.name, what, node.name)
        if node.cordon is not None:
            what = f"cordoned by {node.cordon.by}: {node.cordon.reason}".rstrip(": ")
            yield Finding(Severity.NOTE, node.name, what, node.name)
        for warning in node.warnings:
            yield Finding(Severity.NOTE, node.name, warning, node.name)


def _slow(snapshot: Snapshot, targets: Targets) -> Iterable[Finding]:
    p95 = {
        node.name: value
        for node in snapshot.observed()
        if (value := node.metrics[Metric.RESPONSE_P95].value) is not None
    }
    for name, value in p95.items():
        if value <= targets.agent_response_time_p95_seconds:
            continue
        others = [v for other, v in p95.items() if other != name]
        if others and value >= SLOW_FACTOR * (usual := _median(others)):
            times = f", {value / usual:.0f}x the fleet's median" if usual > 0 else ""
            what = f"slow: p95 {format_duration(value)}{times}"
            yield Finding(Severity.WARNING, name, what, name)


def _median(values: Sequence[float]) -> float:
    from statistics import median  # brings fractions and decimals along, 4 ms

    return median(values)


def _agents(fleet: Fleet, snapshot: Snapshot) -> Iterable[Finding]:
    by_id: dict[AgentId, list[AgentObservation]] = {}
    for agent in snapshot.agents():
        by_id.setdefault(agent.id, []).append(agent)
        yield from _agent(agent, fleet)
    if not covers(fleet, snapshot):
        return  # elsewhere was not looked
    yield from _at_rest(fleet, by_id)
    complete = not snapshot.unobserved()
    missing = [a.id for a in fleet.instances() if a.id not in by_id]
    if missing:
        where = "on no node" if complete else "on no node that answers"
        severity = Severity.WARNING if by_id or not complete else Severity.NOTE
        yield Finding(severity, "agents", f"{_listed(missing)}: {where}")
    for name, seen in by_id.items():
        alive = [a for a in seen if a.state in (AgentState.RUNNING, AgentState.STARTING)]
        if len(alive) > 1:
            where = " and ".join(a.node for a in alive)
            yield Finding(Severity.CRITICAL, name, f"runs {len(alive)} times: on {where}")


def _at_rest(
    fleet: Fleet, by_id: Mapping[AgentId, Sequence[AgentObservation]]
) -> Iterable[Finding]:
    """Agents that the configuration wants and somebody has stopped."""
    stopped = [
        agent.id
        for agent in fleet.instances()
        if (seen := by_id.get(agent.id))
        and all(a.state in (AgentState.STOPPED, AgentState.STOPPING) for a in seen)
    ]
    if stopped:
        yield Finding(Severity.WARNING, "agents", f"{_listed(stopped)}: stopped")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def _agent(agent: AgentObservation, fleet: Fleet) -> Iterable[Finding]:
    match agent.state:
        case AgentState.FAILED:
            what = f"failed on {agent.node}: {agent.detail}".rstrip(": ")
            yield Finding(Severity.CRITICAL, agent.id, what, agent.node)
        case AgentState.UNKNOWN:
            what = f"its state on {agent.node} is not known"
            yield Finding(Severity.WARNING, agent.id, what, agent.node)
        case AgentState.RUNNING if agent.ready is False:
            yield Finding(Severity.WARNING, agent.id, f"not ready on {agent.node}", agent.node)
        case _:
            pass
    spec = fleet.agents.get(agent.spec_name)
    if spec is None or agent.ordinal >= spec.replicas:
        what = f"on {agent.node}, but not in the configuration"
        yield Finding(Severity.NOTE, agent.id, what, agent.node)


def _busiest(node: NodeObservation) -> float | None:
    values = [node.metrics[m].value for m in (Metric.CPU, Metric.MEMORY)]
    known = [v for v in values if v is not None]
    return max(known) if known else None


def _known(agent: AgentObservation, metric: AgentMetric) -> float | None:
    reading = agent.metrics.get(metric)
    return reading.value if reading else None


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "no answer"


def worst_first(snapshot: Snapshot, verdict: Verdict) -> Sequence[NodeObservation | NodeUnobserved]:
    """Nodes by how much is wrong with them, then by how busy they are, then by name."""

    def key(node: NodeObservation | NodeUnobserved) -> tuple[float, float, str]:
        load = 0.0 if isinstance(node, NodeUnobserved) else (_busiest(node) or 0.0)
        return (-verdict.badness(node.name), -load, node.name)

    return sorted(snapshot.nodes.values(), key=key)
