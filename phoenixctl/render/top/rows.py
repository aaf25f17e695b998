"""Nodes and agents as rows of values: the worst first, in any order, and those that match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from phoenixctl.model.histogram import Histogram
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import AgentMetric, Metric, Reading
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    NodeObservation,
    NodeUnobserved,
)
from phoenixctl.performance.shortfall import node_deviation
from phoenixctl.performance.verdict import Finding, Severity
from phoenixctl.remote.fold import responses_of
from phoenixctl.render.agents import state_text
from phoenixctl.render.neutral import one_line
from phoenixctl.render.status import state_of
from phoenixctl.render.top.view import TopView

R = TypeVar("R", "NodeRow", "AgentRow")

_GRAVITY: Final = {Severity.CRITICAL: 2, Severity.WARNING: 1, Severity.NOTE: 0}


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node's values, None where unknown. `old`: it is silent, and they are of its last answer."""

    name: NodeName
    state: str
    style: str  # of its state
    old: bool
    deviation: float | None
    cpu: float | None
    memory: float | None
    pressure_cpu: float | None
    pressure_memory: float | None
    pressure_io: float | None
    run_queue: float | None
    ready: int | None
    agents: int | None
    p95: float | None
    p99: float | None
    errors: float | None
    throughput: float | None
    weight: int | None
    age_seconds: float | None
    why: str
    trend: Sequence[float] = ()  # of its CPU
    gravity: int = 0
    words: str = ""  # what a filter looks at


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent's values on a node, None where unknown. `old`: as of its node."""

    name: AgentId
    node: NodeName
    state: str
    style: str
    old: bool
    up_seconds: float | None
    restarts: float | None
    cpu: float | None
    rss: float | None
    queue: float | None
    p95: float | None
    p99: float | None
    errors: float | None
    throughput: float | None
    weight: int | None
    age_seconds: float | None
    why: str
    gravity: int = 0
    words: str = ""


def node_rows(view: TopView) -> tuple[NodeRow, ...]:
    """The chosen nodes: first those with something critical, then by deviation from the targets."""
    about: dict[NodeName, list[Finding]] = {}
    for finding in view.verdict.findings:
        if finding.node is not None:
            about.setdefault(finding.node, []).append(finding)
    rows = [_node_row(view, name, about.get(name, ())) for name in view.nodes]
    return tuple(sorted(rows, key=_badness))


def agent_rows(view: TopView, node: NodeName | None = None) -> tuple[AgentRow, ...]:
    """The agents of all chosen nodes, or of one: those in trouble first, then by name."""
    grave: dict[str, int] = {}
    for finding in view.verdict.findings:
        grave[finding.about] = max(grave.get(finding.about, 0), _GRAVITY[finding.severity])
    seen = [
        (agent, isinstance(view.snapshot.nodes.get(name), NodeObservation))
        for name in ([node] if node is not None else view.nodes)
        if (last := view.last.get(name)) is not None
        for agent in last.agents
    ]
    alive = {a.id for a, _ in seen if a.state is not AgentState.STOPPED}
    rows = [
        _agent_row(view, agent, grave.get(agent.id, 0), old=not fresh)
        for agent, fresh in seen
        # What an agent left behind when it moved is of no interest here.
        if agent.state is not AgentState.STOPPED or agent.id not in alive
    ]
    return tuple(sorted(rows, key=lambda row: (-row.gravity, *_by_number(row.name), row.node)))


def matching(rows: Iterable[R], words: str) -> tuple[R, ...]:
    """The rows in which each of the words is found: in name, state, pool, labels or reason."""
    wanted = words.lower().split()
    return tuple(row for row in rows if all(word in row.words for word in wanted))


def serving(agents: Iterable[AgentObservation]) -> tuple[int, int]:
    """How many agents serve, as far as they can say, and how many should: the stopped do not."""
    there = [agent for agent in agents if agent.state is not AgentState.STOPPED]
    return sum(map(serves, there)), len(there)


def serves(agent: AgentObservation) -> bool:
    return agent.state is AgentState.RUNNING and agent.ready is not False


def _badness(row: NodeRow) -> tuple[float, ...]:
    busy = max(row.cpu or 0.0, row.memory or 0.0)
    return (-(row.gravity == 2), -(row.deviation or 0.0), -row.gravity, -busy)


def _node_row(view: TopView, name: NodeName, findings: Sequence[Finding]) -> NodeRow:
    found, last = view.snapshot.nodes.get(name), view.last.get(name)
    state, style = _state(found, findings)
    why = one_line(
        "; ".join(f.what if f.about == name else f"{f.about} {f.what}" for f in findings)
    )
    ready, agents = serving(last.agents) if last else (None, None)
    responses = responses_of(last.agents) if last else None
    weights = [
        w for a in (last.agents if last else ()) if (w := view.weights.get(a.id)) is not None
    ]

    def value(metric: Metric) -> float | None:
        return _value(last.metrics.get(metric)) if last else None

    node = view.fleet.nodes[name]
    labels = " ".join(f"{key}={label}" for key, label in node.labels.items())
    return NodeRow(
        name=name,
        state=state,
        style=style,
        old=not isinstance(found, NodeObservation),
        deviation=node_deviation(last, view.fleet.targets) if last else None,
        cpu=value(Metric.CPU),
        memory=value(Metric.MEMORY),
        pressure_cpu=value(Metric.PRESSURE_CPU),
        pressure_memory=value(Metric.PRESSURE_MEMORY),
        pressure_io=value(Metric.PRESSURE_IO),
        run_queue=value(Metric.RUN_QUEUE),
        ready=ready,
        agents=agents,
        p95=value(Metric.RESPONSE_P95),
        p99=_quantile(responses, 0.99),
        errors=value(Metric.ERROR_RATE),
        throughput=value(Metric.THROUGHPUT),
        weight=sum(weights) if weights else None,
        age_seconds=max(0.0, view.snapshot.taken_at - last.at) if last else None,
        why=why,
        trend=view.courses.get(name, {}).get(Metric.CPU, ()),
        gravity=max((_GRAVITY[f.severity] for f in findings), default=0),
        words=f"{name} {state} {node.pool} {labels} {why}".lower(),
    )


def _state(
    found: NodeObservation | NodeUnobserved | None, findings: Sequence[Finding]
) -> tuple[str, str]:
    if found is None:
        return "asking", "dim"
    if isinstance(found, NodeUnobserved):
        return found.error.kind, "red"
    text = state_of(found, findings)
    return text.plain, str(text.style)


def _agent_row(view: TopView, agent: AgentObservation, gravity: int, *, old: bool) -> AgentRow:
    alive = agent.state in (AgentState.RUNNING, AgentState.STARTING, AgentState.STOPPING)
    shown = state_text(agent)
    state, style = (shown, "") if isinstance(shown, str) else (shown.plain, str(shown.style))
    newest = max((reading.at for reading in agent.metrics.values()), default=None)
    why = one_line(agent.detail or agent.held)

    def value(metric: AgentMetric) -> float | None:
        return _value(agent.metrics.get(metric)) if alive else None

    return AgentRow(
        name=agent.id,
        node=agent.node,
        state=state,
        style=style,
        old=old,
        up_seconds=value(AgentMetric.UPTIME),
        restarts=value(AgentMetric.RESTARTS),
        cpu=value(AgentMetric.CPU),
        rss=value(AgentMetric.RSS),
        queue=value(AgentMetric.QUEUE),
        p95=value(AgentMetric.RESPONSE_P95),
        p99=_quantile(agent.responses, 0.99) if alive else None,
        errors=value(AgentMetric.ERROR_RATE),
        throughput=value(AgentMetric.THROUGHPUT),
        weight=view.weights.get(agent.id),
        age_seconds=None if newest is None else max(0.0, view.snapshot.taken_at - newest),
        why=why,
        gravity=gravity,
        words=f"{agent.id} {agent.node} {state} {agent.role} {why}".lower(),
    )


def _value(reading: Reading | None) -> float | None:
    return reading.value if reading is not None else None


def _quantile(responses: Histogram | None, q: float) -> float | None:
    return responses.quantile(q) if responses is not None else None


def _by_number(agent: AgentId) -> tuple[str, int]:
    """`ingest-10` comes after `ingest-9`."""
    name, _, ordinal = agent.rpartition("-")
    return (name, int(ordinal)) if ordinal.isdecimal() else (agent, 0)
