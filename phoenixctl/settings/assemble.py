"""Validated sections to the Fleet of the model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from phoenixctl.model.fleet import AgentSpec, Fleet, Guards, SshSettings, Targets
from phoenixctl.model.names import NodeName
from phoenixctl.model.s3 import S3Store
from phoenixctl.settings import models
from phoenixctl.settings.agents import read_agents
from phoenixctl.settings.check import (
    check_agents,
    check_created,
    check_labels,
    check_reserved,
    check_rollouts,
    created_nodes,
)
from phoenixctl.settings.files import Surroundings
from phoenixctl.settings.nodes import Report, read_nodes
from phoenixctl.settings.pools import read_pools

if TYPE_CHECKING:
    from phoenixctl.model.alerting import AlertSettings
    from phoenixctl.model.balancing import BalancingSettings
    from phoenixctl.model.measuring import MetricsSettings
    from phoenixctl.model.routing import RouterSettings
    from phoenixctl.model.rules import PlacementSettings


def assemble(root: models.Root, surroundings: Surroundings, report: Report) -> Fleet:
    """The fleet with paths as written; what is wrong between sections goes to `report`."""
    pools = read_pools(root, surroundings, report)
    nodes = read_nodes(root, pools, surroundings, report)
    created = created_nodes(pools.values())
    check_created(nodes, created, report)
    pool_of = {name: node.pool for name, node in nodes.items()} | created
    agents = read_agents(root, list(pool_of), report)
    check_agents(agents, pool_of, pools, report)
    check_rollouts(agents, pools, pool_of, report)
    check_labels(root, report)
    check_reserved(root, report)
    fleet = Fleet(
        name=root.fleet.name,
        pools=MappingProxyType(pools),
        nodes=MappingProxyType(nodes),
        agents=MappingProxyType(agents),
        ssh=_ssh(root.ssh),
        targets=_targets(root.targets),
        guards=Guards(root.guards.max_destroy, root.guards.max_disruption),
        placement=_placement(root, report),
        prices=MappingProxyType(root.prices),
        store=_store(root.store),
        routers=MappingProxyType(dict(_routers(root, agents, pool_of, report))),
        metrics=_metrics(root, pool_of, pools, agents, report),
        balancing=_balancing(root, report),
        alerts=_alerts(root, pools, report),
    )
    if fleet.placement is not None or any(spec.rules for spec in agents.values()):
        from phoenixctl.settings.check_placement import check_placement

        check_placement(fleet, list(pool_of), report)
    return fleet


def _placement(root: models.Root, report: Report) -> PlacementSettings | None:
    if root.placement is None:
        return None
    from phoenixctl.settings.placement import read_placement

    return read_placement(root.placement, ("placement",), report)


def _routers(
    root: models.Root,
    agents: Mapping[str, AgentSpec],
    nodes: Collection[NodeName],
    report: Report,
) -> Mapping[str, RouterSettings]:
    if not root.routers:
        return {}
    from phoenixctl.settings.routers import read_routers

    return read_routers(root.routers, agents, nodes, report)


def _metrics(
    root: models.Root,
    nodes: Collection[str],
    pools: Collection[str],
    specs: Collection[str],
    report: Report,
) -> MetricsSettings | None:
    if root.metrics is None:
        return None
    from phoenixctl.settings.metrics import read_metrics

    return read_metrics(root.metrics, nodes, pools, specs, report)


def _balancing(root: models.Root, report: Report) -> BalancingSettings | None:
    if root.balancing is None:
        return None
    from phoenixctl.settings.balancing import read_balancing

    return read_balancing(root.balancing, report)


def _alerts(root: models.Root, pools: Collection[str], report: Report) -> AlertSettings | None:
    if root.alerts is None:
        return None
    from phoenixctl.settings.alerts import read_alerts

    return read_alerts(root.alerts, pools, root.targets.cluster_availability, report)


def _ssh(section: models.SshSection) -> SshSettings:
    return SshSettings(
        user=section.user,
        port=section.port,
        config_file=section.config_file,
        identity_files=tuple(section.identity_files),
        certificate_files=tuple(section.certificate_files),
        known_hosts_files=tuple(section.known_hosts_files),
        use_agent=section.use_agent,
        parallel=section.parallel,
        starts_per_bastion=section.starts_per_bastion,
        connect_timeout_seconds=section.connect_timeout,
        command_timeout_seconds=section.command_timeout,
        run_timeout_seconds=section.run_timeout,
        keepalive_seconds=section.keepalive,
        output_limit=section.output_limit,
        sudo=section.sudo,
    )


def _targets(section: models.TargetsSection) -> Targets:
    return Targets(
        agent_response_time_p95_seconds=section.agent_response_time_p95,
        message_throughput_per_second=section.message_throughput_per_second,
        cluster_availability=section.cluster_availability,
        resource_utilization=section.resource_utilization,
        scaling_response_time_seconds=section.scaling_response_time,
    )


def _store(section: models.StoreSection | None) -> S3Store | None:
    s3 = None if section is None else section.s3
    return None if s3 is None else S3Store(s3.bucket, s3.prefix, s3.region, s3.endpoint, s3.lease)
