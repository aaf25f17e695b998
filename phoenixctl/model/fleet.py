"""What the configuration wants: fleet, pools, nodes, agent specs, targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from phoenixctl.model.names import AgentId, NodeName, agent_id
from phoenixctl.model.units import Bytes

if TYPE_CHECKING:  # made only for fleets that have them; `model.codec` finds the names
    from phoenixctl.model.alerting import AlertSettings
    from phoenixctl.model.aws import AwsPool
    from phoenixctl.model.balancing import BalancingSettings
    from phoenixctl.model.bootstrap import Bootstrap
    from phoenixctl.model.hooks import Drain, Hook, MetricNames, Readiness
    from phoenixctl.model.measuring import MetricsSettings
    from phoenixctl.model.moving import Checkpoints, Migration
    from phoenixctl.model.routing import RouterSettings
    from phoenixctl.model.rules import PlacementSettings, Rules, Taint
    from phoenixctl.model.s3 import S3Store

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Supervisor(StrEnum):
    """Who keeps an agent's process alive on a node."""

    AUTO = "auto"  # systemd where it runs and we are root (or sudo is allowed), else process
    SYSTEMD = "systemd"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Resources:
    """What an agent asks for. None: not said. `cpu` in cores."""

    cpu: float | None = None
    memory: Bytes | None = None
    other: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How nodes are reached. Durations in seconds, sizes in bytes."""

    user: str | None = None
    port: int | None = None
    config_file: str | None = "~/.ssh/config"  # None: no SSH configuration is read
    identity_files: tuple[str, ...] = ()
    certificate_files: tuple[str, ...] = ()
    known_hosts_files: tuple[str, ...] = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
    use_agent: bool = True
    parallel: int = 64
    starts_per_bastion: int = 10
    connect_timeout_seconds: float = 5.0
    command_timeout_seconds: float = 60.0
    run_timeout_seconds: float | None = None
    keepalive_seconds: float = 5.0
    output_limit: Bytes = Bytes(1024**2)
    sudo: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the fleet, as configured: how to reach it and what it is for."""

    name: NodeName
    pool: str
    address: str  # what SSH connects to; a Host alias of ~/.ssh/config works too
    port: int | None = None
    user: str | None = None
    identity_files: tuple[str, ...] = ()
    known_hosts_files: tuple[str, ...] = ()  # empty: the fleet's own
    jump: str | None = None  # user@host:port, comma-separated chain as in ProxyJump
    sudo: bool = False
    supervisor: Supervisor = Supervisor.AUTO
    base_dir: str | None = None  # where agents live on the node; None: by supervisor
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    network_bits_per_second: float | None = None  # None: as the link says
    use_ssh_config: bool = True
    use_agent: bool = True  # False: only identity_files are tried
    taints: tuple[Taint, ...] = ()
    resources: Resources | None = None  # in place of what is measured, and what no probe can see
    reserved: Resources | None = None  # not for agents; None: as its pool says
    # Public host keys (`ssh-ed25519 AAAA...`) its provider vouches for; if any, only they count.
    host_keys: tuple[str, ...] = ()
    agent_address: str | None = None  # where others reach its agents; None: its own address


@dataclass(frozen=True, slots=True)
class Share:
    """A number of things, or a part of all of them: `3` or `25%`."""

    count: int | None = None
    ratio: float | None = None

    def of(self, total: int) -> int:
        """How many of `total`; a part is rounded up, so that it is never none of some."""
        if self.ratio is None:
            return self.count or 0
        return math.ceil(self.ratio * total - 1e-9)


class Order(StrEnum):
    """Which comes first when something is replaced."""

    IN_PLACE = "in_place"  # the old one goes, then the new one comes
    SURGE = "surge"  # the new one is ready before the old one goes


@dataclass(frozen=True, slots=True)
class Rollout:
    """How many are changed at once, and what must hold before the next ones are.

    `min_healthy` is the part of all that must be ready at any time; the stricter of it and
    `max_unavailable` counts. `settle_seconds`: a changed one must stay healthy for so long.
    """

    order: Order = Order.IN_PLACE
    max_unavailable: Share = Share(count=1)
    min_healthy: Share = Share(count=0)
    settle_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes of one kind, from one provider (`static`: hosts that exist; `local`: embedded; `aws`).

    `capacity` is what a node is expected to have while none of the pool has been seen; of named
    resources, which no probe can see, it is what each node has.
    """

    name: str
    provider: str = "static"
    size: int | None = None  # wanted nodes of a provider that creates them
    minimum: int = 1
    maximum: int = 20
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    protected: bool = False  # its nodes are not destroyed by a plan until they are unprotected
    rollout: Rollout = Rollout(order=Order.SURGE)  # of nodes that are replaced
    bootstrap: Bootstrap | None = None
    capacity: Resources | None = None
    reserved: Resources | None = None  # of each node, not for agents
    taints: tuple[Taint, ...] = ()
    aws: AwsPool | None = None


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where the operator's side finds a secret. The value itself is in no model."""

    source: str  # "env" or "file"
    name: str


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One kind of long-running process; `replicas: 6` gives `ingest-0` to `ingest-5`."""

    name: str
    command: tuple[str, ...]
    replicas: int = 1
    pools: tuple[str, ...] = ()  # empty: any
    nodes: tuple[NodeName, ...] = ()  # empty: any
    env: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    secrets: Mapping[str, SecretRef] = field(default_factory=lambda: MappingProxyType({}))
    port: int | None = None
    port_step: int = 1  # the port of instance n is port + n * port_step
    resources: Resources = Resources()
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    user: str | None = None  # systemd only; None: who we are on the node
    ready: Readiness | None = None
    metrics: MetricNames | None = None
    drain: Drain | None = None
    checkpoint: Hook | None = None
    restore: Hook | None = None
    activate: Hook | None = None
    reload: Hook | None = None
    stop_signal: str = "TERM"
    grace_seconds: float = 10.0
    restart: bool = True  # started again when it fails
    open_files: int | None = None
    rollout: Rollout = Rollout()
    rules: Rules | None = None  # None: it has none
    # Never active twice: it runs with its node's permission, which another boot does not have.
    singleton: bool = False
    lease_seconds: float | None = None  # of a singleton; not renewed in time, its node ends it
    migration: Migration | None = None  # None: it moves without its state
    checkpoints: Checkpoints | None = None

    def port_of(self, ordinal: int) -> int | None:
        return None if self.port is None else self.port + ordinal * self.port_step


@dataclass(frozen=True, slots=True)
class Agent:
    """One instance of a spec."""

    spec: AgentSpec
    ordinal: int

    @property
    def id(self) -> AgentId:
        return agent_id(self.spec.name, self.ordinal)

    @property
    def port(self) -> int | None:
        return self.spec.port_of(self.ordinal)


@dataclass(frozen=True, slots=True)
class Targets:
    """Performance objectives of the fleet (specification's defaults)."""

    agent_response_time_p95_seconds: float = 0.050
    message_throughput_per_second: float = 10_000.0
    cluster_availability: float = 0.999
    resource_utilization: float = 0.75
    scaling_response_time_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Guards:
    """What no plan may exceed unless the operator lifts it for one run.

    `max_destroy` of the fleet's nodes are destroyed or forgotten by one plan; `max_disruption` of
    the running agents are taken down by one plan without coming back in it.
    """

    max_destroy: Share = Share(ratio=0.25)
    max_disruption: Share = Share(ratio=0.5)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All nodes and agents of one configuration."""

    name: str
    pools: Mapping[str, Pool]
    nodes: Mapping[NodeName, Node]
    agents: Mapping[str, AgentSpec]  # by spec name
    ssh: SshSettings = SshSettings()
    targets: Targets = Targets()
    guards: Guards = Guards()
    placement: PlacementSettings | None = None  # None: as it is by default
    prices: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))  # by kind, /h
    store: S3Store | None = None  # None: on the operator's machine
    routers: Mapping[str, RouterSettings] = field(
        default_factory=lambda: MappingProxyType({})
    )  # who spreads requests over agents, by name
    metrics: MetricsSettings | None = None  # None: as they are measured by default
    balancing: BalancingSettings | None = None  # None: as it is by default
    alerts: AlertSettings | None = None  # None: the default rules, and nobody is told

    def instances(self) -> tuple[Agent, ...]:
        """Every wanted agent, in the order of spec and ordinal."""
        return tuple(
            Agent(spec, ordinal)
            for spec in self.agents.values()
            for ordinal in range(spec.replicas)
        )
