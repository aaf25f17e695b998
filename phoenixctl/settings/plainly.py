"""A Fleet in the words of the configuration: what `load` would read as the same fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, TypeAlias

from phoenixctl.model import units
from phoenixctl.model.aws import AwsPool, AwsZone
from phoenixctl.model.bootstrap import Bootstrap
from phoenixctl.model.fleet import (
    AgentSpec,
    Fleet,
    Guards,
    Node,
    Pool,
    Resources,
    Rollout,
    SecretRef,
    Share,
    SshSettings,
    Targets,
)
from phoenixctl.model.hooks import Drain, ExecHook, Hook, HttpHook, MetricNames, Readiness, TcpHook
from phoenixctl.model.moving import Checkpoints, Migration
from phoenixctl.model.routing import RouterKind, RouterSettings
from phoenixctl.model.rules import Taint
from phoenixctl.model.s3 import S3Store
from phoenixctl.settings.bitrate import parse_bit_rate
from phoenixctl.settings.plainly_placement import placement_as_written, rules_as_written

Written: TypeAlias = dict[str, Any]
_DURATIONS: Final = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001))
_SIZES: Final = (("TiB", units.TIB), ("GiB", units.GIB), ("MiB", units.MIB), ("KiB", units.KIB))
_BITS: Final = (("Tbit/s", 1e12), ("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3))


def fleet_as_written(fleet: Fleet) -> Written:
    """Every section with every key, defaults included, of dict, list, str, numbers, bool, None.

    Nodes are listed one by one, each with all it has, wherever it came from.
    """
    from phoenixctl.settings.plainly_seldom import seldom_as_written

    return {
        "fleet": {"name": fleet.name},
        "pools": {name: _pool(pool) for name, pool in fleet.pools.items()},
        "nodes": [_node(node) for node in fleet.nodes.values()],
        "agents": {name: _agent(spec) for name, spec in fleet.agents.items()},
        "ssh": _ssh(fleet.ssh),
        "targets": _targets(fleet.targets),
        "guards": _guards(fleet.guards),
        "placement": placement_as_written(fleet.placement),
        "prices": dict(fleet.prices),
        "store": None if fleet.store is None else {"s3": _s3(fleet.store)},
        "routers": {name: _router(router) for name, router in fleet.routers.items()},
        **seldom_as_written(fleet),
    }


def duration(seconds: float) -> str:
    """Exactly these seconds, in one unit: `250ms`, `30s`, `5m`."""
    exact = _in_one_unit(seconds, _DURATIONS, units.parse_duration)
    return exact or f"{Decimal(repr(seconds)).normalize():f}s"


def size(count: int) -> str | int:
    return _in_one_unit(count, _SIZES, units.parse_bytes) or count


def ratio(part: float) -> str | float:
    percent = f"{(Decimal(repr(part)) * 100).normalize():f}%"
    return percent if units.parse_ratio(percent) == part else part


def share(part: Share) -> str | int:
    """`3` or `25%`."""
    if part.ratio is None:
        return part.count or 0
    return f"{(Decimal(repr(part.ratio)) * 100).normalize():f}%"


def bit_rate(bits: float) -> str:
    exact = _in_one_unit(bits, _BITS, parse_bit_rate)
    return exact or f"{Decimal(repr(bits)).normalize():f}bit/s"


def _in_one_unit(
    value: float, factors: Iterable[tuple[str, float]], parse: Callable[[str], float]
) -> str | None:
    """The largest unit of which it is a whole number, as long as it is read back the same."""
    for unit, factor in factors:
        number = round(value / factor)
        if number and parse(f"{number}{unit}") == value:
            return f"{number}{unit}"
    return None


def _pool(pool: Pool) -> Written:
    return {
        "provider": pool.provider,
        "size": pool.size,
        "min": pool.minimum,
        "max": pool.maximum,
        "labels": dict(pool.labels),
        "protected": pool.protected,
        "rollout": _rollout(pool.rollout),
        "bootstrap": _bootstrap(pool.bootstrap),
        "capacity": _resources(pool.capacity),
        "reserved": _resources(pool.reserved),
        "taints": [_taint(taint) for taint in pool.taints],
        "aws": _aws(pool.aws),
    }


def _rollout(rollout: Rollout) -> Written:
    return {
        "order": rollout.order.value,
        "max_unavailable": share(rollout.max_unavailable),
        "min_healthy": share(rollout.min_healthy),
        "settle": duration(rollout.settle_seconds),
    }


def _resources(resources: Resources | None) -> Written | None:
    if resources is None:
        return None
    memory = resources.memory
    return {
        "cpu": resources.cpu,
        "memory": None if memory is None else size(memory),
        "other": dict(resources.other),
    }


def _bootstrap(bootstrap: Bootstrap | None) -> Written | None:
    if bootstrap is None:
        return None
    return {
        "packages": list(bootstrap.packages),
        "files": [
            {"source": file.source, "target": file.target, "mode": file.mode, "owner": file.owner}
            for file in bootstrap.files
        ],
        "commands": [
            {
                "run": list(command.run),
                "unless": list(command.unless) or None,
                "timeout": duration(command.timeout_seconds),
            }
            for command in bootstrap.commands
        ],
        "ready": None if bootstrap.ready is None else _exec(bootstrap.ready),
        "within": duration(bootstrap.within_seconds),
    }


def _aws(aws: AwsPool | None) -> Written | None:
    if aws is None:
        return None
    return {
        "region": aws.region,
        "zones": [_zone(zone) for zone in aws.zones],
        "types": list(aws.types),
        "image": aws.image,
        "launch_template": aws.launch_template,
        "key_name": aws.key_name,
        "authorized_keys": list(aws.authorized_keys),
        "security_groups": list(aws.security_groups),
        "instance_profile": aws.instance_profile,
        "market": "spot" if aws.spot else "on_demand",
        "on_demand_fallback": aws.on_demand_fallback,
        "user": aws.user,
        "address": "private" if aws.private_address else "public",
        "root_volume": None if aws.root_volume is None else size(aws.root_volume),
        "tags": dict(aws.tags),
        "endpoint": aws.endpoint,
        "cooldown": duration(aws.cooldown_seconds),
    }


def _zone(zone: AwsZone) -> str | Written:
    return zone.zone if zone.subnet is None else {"zone": zone.zone, "subnet": zone.subnet}


def _node(node: Node) -> Written:
    speed = node.network_bits_per_second
    return {
        "name": node.name,
        "pool": node.pool,
        "address": node.address,
        "agent_address": node.agent_address,
        "port": node.port,
        "user": node.user,
        "identity_files": list(node.identity_files),
        "known_hosts_files": list(node.known_hosts_files),
        "jump": node.jump,
        "sudo": node.sudo,
        "supervisor": node.supervisor.value,
        "base_dir": node.base_dir,
        "labels": dict(node.labels),
        "network_speed": None if speed is None else bit_rate(speed),
        "use_ssh_config": node.use_ssh_config,
        "use_agent": node.use_agent,
        "taints": [_taint(taint) for taint in node.taints],
        "resources": _resources(node.resources),
        "reserved": _resources(node.reserved),
    }


def _taint(taint: Taint) -> Written:
    return {"key": taint.key, "value": taint.value, "effect": taint.effect.value}


def _agent(spec: AgentSpec) -> Written:
    return {
        "command": list(spec.command),
        "replicas": spec.replicas,
        "pools": list(spec.pools),
        "nodes": list(spec.nodes),
        "env": dict(spec.env),
        "secrets": {name: _secret(ref) for name, ref in spec.secrets.items()},
        "port": spec.port,
        "port_step": spec.port_step,
        "resources": _resources(spec.resources),
        "labels": dict(spec.labels),
        "user": spec.user,
        "ready": _ready(spec.ready),
        "metrics": _metrics(spec.metrics),
        "drain": _drain(spec.drain),
        "checkpoint": _hook(spec.checkpoint),
        "restore": _hook(spec.restore),
        "activate": _hook(spec.activate),
        "reload": _hook(spec.reload),
        "stop_signal": spec.stop_signal,
        "grace": duration(spec.grace_seconds),
        "restart": spec.restart,
        "open_files": spec.open_files,
        "rollout": _rollout(spec.rollout),
        "singleton": spec.singleton,
        "lease": None if spec.lease_seconds is None else duration(spec.lease_seconds),
        "migrate": _migration(spec.migration),
        "checkpoints": _checkpoints(spec.checkpoints),
        "placement": None if spec.rules is None else rules_as_written(spec.rules),
    }


def _migration(migration: Migration | None) -> Written | None:
    if migration is None:
        return None
    return {
        "strategy": None if migration.way is None else migration.way.value,
        "state": migration.state,
        "standby": _hook(migration.standby),
        "rounds": migration.rounds,
        "pause": duration(migration.pause_seconds),
    }


def _checkpoints(checkpoints: Checkpoints | None) -> Written | None:
    if checkpoints is None:
        return None
    return {
        "every": duration(checkpoints.every_seconds),
        "copies": checkpoints.copies,
        "keep": checkpoints.keep,
    }


def _secret(ref: SecretRef) -> Written:
    return {ref.source: ref.name}


def _ready(ready: Readiness | None) -> Written | None:
    if ready is None:
        return None
    return {
        **(_hook(ready.check) or {}),
        "within": duration(ready.within_seconds),
        "every": duration(ready.every_seconds),
    }


def _drain(drain: Drain | None) -> Written | None:
    if drain is None:
        return None
    return {
        **(_hook(drain.hook) or {}),
        "until": _hook(drain.until),
        "deadline": duration(drain.deadline_seconds),
    }


def _metrics(metrics: MetricNames | None) -> Written | None:
    if metrics is None:
        return None
    return {
        "path": metrics.path,
        "port": metrics.port,
        "response_time": metrics.response_time,
        "throughput": metrics.throughput,
        "errors": metrics.errors,
        "queue_length": metrics.queue_length,
        "utilization": metrics.utilization,
    }


def _hook(hook: Hook | TcpHook | None) -> Written | None:
    match hook:
        case None:
            return None
        case HttpHook():
            request = {"path": hook.path, "method": hook.method, "port": hook.port}
            return {"http": {**request, "timeout": duration(hook.timeout_seconds)}}
        case TcpHook():
            return {"tcp": {"port": hook.port, "timeout": duration(hook.timeout_seconds)}}
        case ExecHook():
            return {"exec": _exec(hook)}
        case _:
            return {"signal": hook.signal}


def _exec(hook: ExecHook) -> Written:
    return {"command": list(hook.command), "timeout": duration(hook.timeout_seconds)}


def _ssh(ssh: SshSettings) -> Written:
    limit = ssh.run_timeout_seconds
    return {
        "user": ssh.user,
        "port": ssh.port,
        "config_file": ssh.config_file,
        "identity_files": list(ssh.identity_files),
        "certificate_files": list(ssh.certificate_files),
        "known_hosts_files": list(ssh.known_hosts_files),
        "use_agent": ssh.use_agent,
        "parallel": ssh.parallel,
        "starts_per_bastion": ssh.starts_per_bastion,
        "connect_timeout": duration(ssh.connect_timeout_seconds),
        "command_timeout": duration(ssh.command_timeout_seconds),
        "run_timeout": None if limit is None else duration(limit),
        "keepalive": duration(ssh.keepalive_seconds),
        "output_limit": size(ssh.output_limit),
        "sudo": ssh.sudo,
    }


def _targets(targets: Targets) -> Written:
    return {
        "agent_response_time_p95": duration(targets.agent_response_time_p95_seconds),
        "message_throughput_per_second": targets.message_throughput_per_second,
        "cluster_availability": ratio(targets.cluster_availability),
        "resource_utilization": ratio(targets.resource_utilization),
        "scaling_response_time": duration(targets.scaling_response_time_seconds),
    }


def _guards(guards: Guards) -> Written:
    return {
        "max_destroy": share(guards.max_destroy),
        "max_disruption": share(guards.max_disruption),
    }


def _router(router: RouterSettings) -> Written:
    haproxy = router.kind is RouterKind.HAPROXY
    check = router.check_seconds
    return {
        "kind": router.kind.value,
        "socket": router.path if haproxy else None,
        "folder": None if haproxy else router.path,
        "node": router.node,
        "backends": dict(router.backends),
        "weight": router.weight,
        "slow_start": duration(router.slow_start_seconds),
        "check": None if check is None else duration(check),
        "max_sessions": router.max_sessions,
        "timeout": duration(router.timeout_seconds),
        "test": list(router.test),
        "reload": list(router.reload),
    }


def _s3(store: S3Store) -> Written:
    return {
        "bucket": store.bucket,
        "prefix": store.prefix,
        "region": store.region,
        "endpoint": store.endpoint,
        "lease": duration(store.lease_seconds),
    }
