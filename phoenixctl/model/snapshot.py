"""The fleet as observed at one moment, each value with its age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import Supervisor
from phoenixctl.model.histogram import Histogram
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import AgentMetric, Metric, Reading


class AgentState(StrEnum):
    STARTING = "starting"  # the supervisor is at it
    RUNNING = "running"  # the process is there; `ready` says whether it serves
    STOPPING = "stopping"
    STOPPED = "stopped"  # wanted so
    FAILED = "failed"  # ended by itself and not (or no more) restarted
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cordon:
    """A mark on the node: take no new agents."""

    by: str
    at: str  # RFC 3339, UTC
    reason: str


@dataclass(frozen=True, slots=True)
class AgentObservation:
    """One agent as found on a node.

    `spec_name`, `ordinal`, `spec_digest`, `epoch` and `port` are what the agent was started with,
    read back from the node. `ready` is None when the spec has no check or it was not asked.
    `started_at` is the node's boot-relative start in seconds; with `boot_id` and `pid` it is the
    identity of the process. `role` is active or standby; `held` says why its supervisor would not
    start it again: it is fenced, or a singleton that waits for permission.
    """

    id: AgentId
    node: NodeName
    state: AgentState
    supervisor: Supervisor
    spec_name: str
    ordinal: int
    spec_digest: str
    epoch: int
    port: int | None
    pid: int | None
    started_at: float | None
    ready: bool | None
    detail: str  # why it failed, in the supervisor's words
    limits: Mapping[str, float | None]  # read back: cpu (cores), memory (bytes); None: not enforced
    metrics: Mapping[AgentMetric, Reading]
    responses: Histogram | None = None  # of the last interval, or of its life when that was idle
    role: str = "active"
    held: str = ""


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """One node as it answered at `at` (operator's monotonic seconds).

    `joined` is the digest of the bootstrap that the node says it has, empty before it has joined.
    """

    name: NodeName
    at: float
    seconds: float  # from the first byte sent to the last one parsed
    boot_id: str
    hostname: str
    kernel: str
    supervisor: Supervisor
    base_dir: str
    cordon: Cordon | None
    metrics: Mapping[Metric, Reading]
    agents: tuple[AgentObservation, ...]
    warnings: tuple[str, ...] = ()
    joined: str = ""


@dataclass(frozen=True, slots=True)
class NodeUnobserved:
    """One node that gave no answer; everything about it is unknown."""

    name: NodeName
    at: float
    seconds: float
    error: PhoenixError


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All nodes as seen by one run, in the order of the configuration."""

    fleet: str
    taken_at: float  # operator's monotonic seconds
    taken_at_utc: str  # RFC 3339
    nodes: Mapping[NodeName, NodeObservation | NodeUnobserved]

    def observed(self) -> tuple[NodeObservation, ...]:
        return tuple(n for n in self.nodes.values() if isinstance(n, NodeObservation))

    def unobserved(self) -> tuple[NodeUnobserved, ...]:
        return tuple(n for n in self.nodes.values() if isinstance(n, NodeUnobserved))

    def agents(self) -> tuple[AgentObservation, ...]:
        return tuple(agent for node in self.observed() for agent in node.agents)

    def find(self, agent: AgentId) -> tuple[AgentObservation, ...]:
        """Where an agent was found: nowhere, on one node, or (wrongly) on several."""
        return tuple(a for a in self.agents() if a.id == agent)
