"""How a fleet is measured, as configured: what is asked beside the survey, where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from phoenixctl.model.errors import PhoenixError
    from phoenixctl.model.fleet import SecretRef
    from phoenixctl.model.names import NodeName


class MetricStoreKind(StrEnum):
    SQLITE = "sqlite"  # a file in the fleet's state folder
    PROMETHEUS = "prometheus"  # a server that speaks Prometheus' remote write and PromQL


@dataclass(frozen=True, slots=True)
class PrometheusStore:
    """A Prometheus, VictoriaMetrics or Mimir.

    Samples are sent to `write_url`; `query_url` is what stands before `/api/v1/query`. Without a
    `token` or `password` no login is sent; a `tenant` goes along in the header of Mimir.
    """

    write_url: str
    query_url: str
    token: SecretRef | None = None
    user: str | None = None
    password: SecretRef | None = None
    tenant: str | None = None
    ca_file: str | None = None  # of its certificate; None: those that the machine trusts
    timeout_seconds: float = 10.0  # of one request


class CollectorKind(StrEnum):
    """What is asked, and how."""

    PROMETHEUS = "prometheus"  # a page of metrics in Prometheus' text
    STATSD = "statsd"  # a command that prints lines as statsd takes them
    HAPROXY = "haproxy"  # its runtime socket
    REDIS = "redis"
    POSTGRESQL = "postgresql"  # through psql on the node
    RABBITMQ = "rabbitmq"  # through rabbitmqctl on the node
    ETCD = "etcd"
    CONSUL = "consul"


@dataclass(frozen=True, slots=True)
class Collector:
    """Something that is asked on some nodes at each collection, beside the survey.

    `nodes` are names and patterns, `pools` names, `agents` names of specs; a node that any of them
    has, or that runs such an agent, is asked; none: all are.
    `path` is of an HTTP page or of a socket; `metrics` are patterns of the names to keep, none:
    all. The metrics carry `job="<name>"`.
    """

    name: str
    kind: CollectorKind
    nodes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    port: int | None = None
    path: str | None = None
    command: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    password: SecretRef | None = None
    timeout_seconds: float = 5.0

    def asks(self, node: str, pool: str, running: Collection[str] = ()) -> bool:
        """`running`: the specs of the agents that run on the node."""
        if not self.nodes and not self.pools and not self.agents:
            return True
        if pool in self.pools or any(spec in running for spec in self.agents):
            return True
        return any(fnmatchcase(node, pattern) for pattern in self.nodes)

    def keeps(self, metric: str) -> bool:
        return not self.metrics or any(fnmatchcase(metric, pattern) for pattern in self.metrics)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value that a collector found.

    `kind`: counter, gauge, histogram or timer as metrics have them, of the latter two it is one of
    many; or increment, by how much a counter has grown since the collector was asked before.
    """

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    kind: str = "gauge"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a collector gave on a node: its samples, or why there are none or not all."""

    collector: Collector
    node: NodeName
    samples: tuple[Sample, ...] = ()
    error: PhoenixError | None = None


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """How a fleet is measured."""

    store: PrometheusStore | None = None  # None: SQLite in the state folder
    collectors: tuple[Collector, ...] = ()
