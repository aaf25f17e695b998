"""Small fleets and snapshots for tests: say only what the test is about.

f = fleet(node("a"), node("b", pool="db"), agents=[spec("web", replicas=2)])
s = snapshot(seen("a", agent("web-0"), free=GiB(1)), silent("b"))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from phoenixctl.model.errors import PhoenixError, Unreachable
from phoenixctl.model.fleet import (
    Agent,
    AgentSpec,
    Fleet,
    Node,
    Pool,
    Resources,
    Supervisor,
    Targets,
)
from phoenixctl.model.histogram import Histogram
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import AgentMetric, Metric, Reading, unknown
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    Cordon,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)
from phoenixctl.model.units import Bytes
from phoenixctl.remote.agents import spec_digest

NOW = 1000.0


def MiB(count: float) -> Bytes:
    return Bytes(int(count * 1024**2))


def GiB(count: float) -> Bytes:
    return MiB(count * 1024)


# What the configuration wants.


def node(name: str, *, pool: str = "main", **more: Any) -> Node:
    """A configured node; its address is its name unless said otherwise."""
    more.setdefault("address", name)
    return Node(NodeName(name), pool, **more)


def spec(
    name: str,
    *,
    cpu: float | None = None,
    memory: Bytes | None = None,
    nodes: Sequence[str] = (),
    **more: Any,
) -> AgentSpec:
    """A spec that runs `sleep`; `cpu` in cores."""
    more.setdefault("command", ("sleep", "inf"))
    return AgentSpec(
        name,
        resources=Resources(cpu=cpu, memory=memory),
        nodes=tuple(NodeName(n) for n in nodes),
        **more,
    )


def fleet(*nodes: Node, agents: Iterable[AgentSpec] = (), **more: Any) -> Fleet:
    """A fleet of these nodes, with the pools that they name."""
    pools = {n.pool: Pool(n.pool) for n in nodes}
    more.setdefault("targets", Targets())
    return Fleet("test", pools, {n.name: n for n in nodes}, {a.name: a for a in agents}, **more)


def instances(of: Fleet, *ids: str) -> tuple[Agent, ...]:
    """The wanted agents of a fleet: those with these ids, or all."""
    return tuple(a for a in of.instances() if not ids or a.id in ids)


# What was observed.


def agent(
    agent_id: str,
    state: AgentState = AgentState.RUNNING,
    *,
    of: AgentSpec | None = None,
    metrics: Mapping[AgentMetric, float] = MappingProxyType({}),
    **more: Any,
) -> AgentObservation:
    """An agent as found on a node (`seen` fills in which). `of`: the spec it was started with."""
    name, _, ordinal = agent_id.rpartition("-")
    observation = AgentObservation(
        id=AgentId(agent_id),
        node=NodeName("?"),
        state=state,
        supervisor=Supervisor.PROCESS,
        spec_name=name,
        ordinal=int(ordinal),
        spec_digest=spec_digest(of) if of else "0123456789ab",
        epoch=1,
        port=None,
        pid=100 if state is AgentState.RUNNING else None,
        started_at=1.0,
        ready=None,
        detail="",
        limits={},
        metrics={key: Reading(value, NOW) for key, value in metrics.items()},
    )
    return replace(observation, **more)


def seen(
    name: str,
    *agents: AgentObservation,
    cores: float | None = 4.0,
    memory: Bytes | None = GiB(8),
    metrics: Mapping[Metric, float] = MappingProxyType({}),
    cordoned: str | None = None,
    **more: Any,
) -> NodeObservation:
    """A node that answered, idle and healthy but for what is said. `cordoned`: the reason."""
    readings = {metric: unknown("not measured", at=NOW) for metric in Metric}
    ordinary = {Metric.CPU: 0.2, Metric.MEMORY: 0.3, Metric.DISK: 0.1, **metrics}
    readings.update({metric: Reading(value, NOW) for metric, value in ordinary.items()})
    readings[Metric.CORES] = Reading(cores, NOW)
    readings[Metric.MEMORY_TOTAL] = Reading(memory, NOW)
    observation = NodeObservation(
        name=NodeName(name),
        at=NOW,
        seconds=0.1,
        boot_id="79c87cf3-d5b4-469a-b5f5-61b5c9020f17",
        hostname=name,
        kernel="6.1",
        supervisor=Supervisor.PROCESS,
        base_dir="/home/op/.phoenixctl/test",
        cordon=None if cordoned is None else Cordon("op@here", "2026-01-01T00:00:00Z", cordoned),
        metrics=readings,
        agents=tuple(replace(a, node=NodeName(name)) for a in agents),
    )
    return replace(observation, **more)


def silent(name: str, error: PhoenixError | None = None) -> NodeUnobserved:
    """A node that gave no answer."""
    return NodeUnobserved(
        NodeName(name), NOW, 5.0, error or Unreachable(f"{name} does not answer within 5s")
    )


def snapshot(*nodes: NodeObservation | NodeUnobserved, at: float = NOW) -> Snapshot:
    return Snapshot("test", at, "2026-01-01T00:00:00Z", {n.name: n for n in nodes})


def histogram(*counts: float, bounds: Sequence[float] = (), total: float = 0.0) -> Histogram:
    """Cumulative counts over `bounds`; without, over 1, 2, … and infinity."""
    chosen = tuple(bounds) or (*(float(n) for n in range(1, len(counts))), float("inf"))
    return Histogram(chosen, tuple(counts), total)
