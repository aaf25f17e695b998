"""The only place where adapters are built and joined to what the workflows need."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from phoenixctl.cli.configuration import configuration, state_folder
from phoenixctl.model.errors import ConfigError
from phoenixctl.model.fleet import AgentSpec, Fleet, Node, SecretRef
from phoenixctl.model.names import NodeName
from phoenixctl.store.local import LocalRecords
from phoenixctl.store.who import operator

if TYPE_CHECKING:
    from phoenixctl.model.alerting import Receiver
    from phoenixctl.model.routing import RouterSettings
    from phoenixctl.ports.metrics import MetricStore
    from phoenixctl.ports.notifier import Notifier
    from phoenixctl.ports.provider import Provider
    from phoenixctl.ports.reach import Reach
    from phoenixctl.ports.router import Router
    from phoenixctl.providers.local import LocalProvider
    from phoenixctl.ssh.reach import SshReach
    from phoenixctl.store.alerts import SqliteAlerts
    from phoenixctl.store.records import StoredRecords
    from phoenixctl.workflows.means import Means


class SystemClock:
    """Implements ports.clock.Clock by the operator's machine."""

    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def epoch(self) -> float:
        return time.time()


@dataclass
class Parts:
    """What a command works with. SSH is imported when a node is first to be reached.

    `configured` is the fleet as it is written; `fleet` also has the nodes that providers made.
    """

    configured: Fleet
    fleet: Fleet
    path: Path
    secret: Callable[[SecretRef], str]
    clock: SystemClock
    records: StoredRecords
    state: Path
    by: str
    past_specs: Mapping[str, AgentSpec] = field(
        default_factory=dict
    )  # what a rollback goes back to

    @cached_property
    def reach(self) -> SshReach:
        from phoenixctl.ssh.reach import SshReach

        return SshReach(self.fleet.nodes, self.fleet.ssh, home=Path.home(), environ=os.environ)

    @cached_property
    def providers(self) -> Mapping[str, Provider]:
        """Where nodes come from, by pool."""
        return providers_of(self.configured, self.state, self.clock)

    @cached_property
    def routers(self) -> Mapping[str, Router]:
        """Who spreads requests over agents, by name."""
        return {
            name: router_of(settings, lambda: self.reach, self.clock)
            for name, settings in self.configured.routers.items()
        }

    @cached_property
    def alerts(self) -> SqliteAlerts:
        """What is remembered of alerts, for the thread that asks first."""
        from phoenixctl.store.alerts import SqliteAlerts

        return SqliteAlerts(self.state, self.clock)

    @cached_property
    def notifiers(self) -> Mapping[str, Notifier]:
        """Who is told of alerts, by name. A secret is read when it is needed."""
        settings = self.configured.alerts
        receivers = {} if settings is None else settings.receivers
        return {name: notifier_of(receiver, self.secret) for name, receiver in receivers.items()}

    @cached_property
    def metrics(self) -> MetricStore:
        """Where the fleet's metrics are kept, for the thread that asks first."""
        return self.open_metrics()

    def open_metrics(self) -> MetricStore:
        """The same for whoever asks, in a thread of its own; it is to be closed."""
        return metrics_of(self.configured, self.state, self.secret, self.clock)

    def means(self) -> Means:
        """What a change is carried out with; it finds in the record what left the configuration."""
        from phoenixctl.cli.here import OperatorsMachine
        from phoenixctl.planning.known import is_configured
        from phoenixctl.workflows.means import Means

        pools = self.configured.pools
        created = {
            name: node
            for name, node in self.fleet.nodes.items()
            if node.pool in pools and not is_configured(node, self.configured)
        }
        nodes = MappingProxyType({**self.configured.nodes, **created})
        return Means(
            fleet=replace(self.configured, nodes=nodes),
            reach=self.reach,
            providers=self.providers,
            records=self.records,
            clock=self.clock,
            secret=self.secret,
            read=read_file,
            by=self.by,
            routers=self.routers,
            here=OperatorsMachine(self.reach),
        )

    async def know_recorded_nodes(self) -> None:
        """Also reach nodes that are only in the record: they left the configuration."""
        record = await self.records.read()
        nodes = {**{r.node.name: r.node for r in record.nodes.values()}, **self.fleet.nodes}
        self.fleet = replace(self.fleet, nodes=MappingProxyType(nodes))
        for node in nodes.values():
            self.reach.add(node)

    def warnings(self) -> tuple[str, ...]:
        """What the SSH side could not use: lines of known_hosts, options of ~/.ssh/config."""
        return self.reach.warnings()

    async def aclose(self) -> None:
        if "reach" in self.__dict__:
            await self.reach.aclose()
        if "metrics" in self.__dict__:
            self.metrics.close()


def compose(config: Path | None, overrides: Mapping[str, str]) -> Parts:
    """Find and read the configuration, add the nodes that providers made, join the parts."""
    from phoenixctl.settings.secret import read_secret

    path, fleet = configuration(config, overrides)
    state = state_folder(fleet.name)
    clock = SystemClock()
    records = records_of(fleet, state, clock)
    return Parts(
        configured=fleet,
        fleet=with_created_nodes(fleet, state, records),
        path=path,
        secret=lambda ref: read_secret(ref, path.absolute().parent, os.environ),
        clock=clock,
        records=records,
        state=state,
        by=operator(),
    )


def metrics_of(
    fleet: Fleet, state: Path, secret: Callable[[SecretRef], str], clock: SystemClock
) -> MetricStore:
    """The fleet's metrics, where the configuration says they are kept; for one thread."""
    if fleet.metrics is not None and fleet.metrics.store is not None:
        from phoenixctl.store.prometheus.metrics import PrometheusMetrics

        return PrometheusMetrics(fleet.metrics.store, fleet.name, secret, clock)
    from phoenixctl.store.metrics import SqliteMetrics

    return SqliteMetrics(state)


def records_of(fleet: Fleet, state: Path, clock: SystemClock) -> StoredRecords:
    """The fleet's records, where the configuration says they are kept."""
    if fleet.store is None:
        return LocalRecords(state, clock, fleet.name)
    from phoenixctl.store.s3 import S3Records

    return S3Records(fleet.store, state, clock, fleet.name)


def providers_of(fleet: Fleet, state: Path, clock: SystemClock) -> Mapping[str, Provider]:
    """The provider of each pool, by the pool's name; pools of one kind share theirs."""
    by_kind: dict[str, Provider] = {}
    for kind in {pool.provider for pool in fleet.pools.values()}:
        if kind == "local":
            by_kind[kind] = local_provider(fleet.name, state)
        elif kind == "aws":
            from phoenixctl.providers.aws.provider import AwsProvider

            by_kind[kind] = AwsProvider(fleet.name, clock)
        else:
            from phoenixctl.providers.static import StaticProvider

            by_kind[kind] = StaticProvider(fleet.nodes)
    return {name: by_kind[pool.provider] for name, pool in fleet.pools.items()}


def router_of(settings: RouterSettings, reach: Callable[[], Reach], clock: SystemClock) -> Router:
    """A router, on this machine or on the node that its settings name."""
    from phoenixctl.model.routing import RouterKind

    path, node = settings.path, settings.node
    if node is None:
        path = str(Path(path).expanduser())
    if settings.kind is RouterKind.HAPROXY:
        from phoenixctl.routers.doors import LocalDoor, NodeDoor
        from phoenixctl.routers.haproxy import HAProxy

        door = LocalDoor(path) if node is None else NodeDoor(reach(), node, path)
        return HAProxy(settings, door, clock)
    from phoenixctl.routers.envoy import Envoy
    from phoenixctl.routers.nginx import Nginx
    from phoenixctl.routers.places import LocalPlace, NodePlace

    place = LocalPlace(path) if node is None else NodePlace(reach(), node, path)
    return Envoy(settings, place) if settings.kind is RouterKind.ENVOY else Nginx(settings, place)


def notifier_of(receiver: Receiver, secret: Callable[[SecretRef], str]) -> Notifier:
    """The way to a receiver, with its retries."""
    from phoenixctl.cli.here import run_here
    from phoenixctl.model import alerting
    from phoenixctl.notifiers import web
    from phoenixctl.notifiers.email import Email
    from phoenixctl.notifiers.program import Program
    from phoenixctl.notifiers.retrying import Retrying

    limit = receiver.timeout_seconds
    made: Notifier
    match receiver.way:
        case alerting.Alertmanager() as way:
            made = web.Alertmanager(way, secret, limit)
        case alerting.Webhook() as way:
            made = web.Webhook(way, secret, limit)
        case alerting.Slack() as way:
            made = web.Slack(way, secret, limit)
        case alerting.Email() as way:
            made = Email(way, secret, limit)
        case alerting.Program() as way:
            made = Program(way, run_here, limit)
    return Retrying(made, receiver.attempts)


def read_file(path: str) -> bytes:
    """A file of the operator's side that the configuration names."""
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", hint="phoenixctl config check"
        ) from None


def local_provider(fleet: str, state: Path) -> LocalProvider:
    """The provider of embedded nodes, whose folders are part of the fleet's state."""
    from phoenixctl.providers.local import LocalProvider

    return LocalProvider(state / "local", fleet)


def with_created_nodes(fleet: Fleet, state: Path, records: StoredRecords) -> Fleet:
    """The fleet with the nodes that providers have made for it.

    Embedded nodes are listed from this machine right now; those of a cloud are known from the
    record, for asking their provider takes too long to be part of every command.
    """
    local = [pool for pool in fleet.pools.values() if pool.provider == "local"]
    clouds = {p.name for p in fleet.pools.values() if p.provider not in ("local", "static")}
    if not local and not clouds:
        return fleet

    async def found() -> list[Node]:
        provider = local_provider(fleet.name, state)
        listed = await asyncio.gather(*(provider.list(pool) for pool in local))
        nodes = [instance.node for instances in listed for instance in instances]
        if clouds:
            record = await records.read()
            nodes += [r.node for r in record.nodes.values() if r.node.pool in clouds]
        return nodes

    nodes: dict[NodeName, Node] = dict(fleet.nodes)
    nodes.update({node.name: node for node in asyncio.run(found())})
    return replace(fleet, nodes=MappingProxyType(nodes))
