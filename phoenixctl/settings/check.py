"""What must be true between sections: pools that exist, ports and rollouts that can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final

from phoenixctl.model.fleet import AgentSpec, Node, Order, Pool, Rollout
from phoenixctl.model.names import NodeName
from phoenixctl.settings.models import Root
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath, nearest
from phoenixctl.settings.sections import ResourcesSection

OWN_LABELS: Final = frozenset({"node", "pool"})  # NODE, POOL of `model.rules`


def created_nodes(pools: Iterable[Pool]) -> dict[NodeName, str]:
    """The names of nodes that providers will create, with their pools: `demo-1` to `demo-5`."""
    return {
        NodeName(f"{pool.name}-{number}"): pool.name
        for pool in pools
        if pool.provider != "static"
        for number in range(1, (pool.size or 0) + 1)
    }


def check_created(
    nodes: Mapping[NodeName, Node], created: Mapping[NodeName, str], report: Report
) -> None:
    """No listed node has a name that a provider gives."""
    for name in nodes.keys() & created.keys():
        report(("pools", created[name]), f"its node {name} is also listed under nodes")


def check_agents(
    agents: Mapping[str, AgentSpec], pool_of: Mapping[NodeName, str], pools: Mapping[str, Pool],
    report: Report,
) -> None:  # fmt: skip
    """Pools exist, each spec has somewhere to run, and no two need one port of one node."""
    eligible: dict[str, frozenset[NodeName]] = {}
    for name, spec in agents.items():
        path: KeyPath = ("agents", name)
        for index, pool in enumerate(spec.pools):
            if pool not in pools:
                report((*path, "pools", index), f"no pool `{pool}`{nearest(pool, pools)}")
        eligible[name] = _eligible(spec, pool_of)
        if spec.pools and spec.nodes and not eligible[name]:
            report((*path, "nodes"), "none of these nodes is in the spec's pools")
    _check_collisions(list(agents.values()), eligible, report)


def _eligible(spec: AgentSpec, pool_of: Mapping[NodeName, str]) -> frozenset[NodeName]:
    names = spec.nodes or pool_of
    return frozenset(n for n in names if not spec.pools or pool_of.get(n) in spec.pools)


def _check_collisions(
    specs: Sequence[AgentSpec], eligible: Mapping[str, frozenset[NodeName]], report: Report
) -> None:
    ports = {spec.name: _ports(spec) for spec in specs}
    for one, other in combinations([spec for spec in specs if ports[spec.name]], 2):
        shared = ports[one.name] & ports[other.name]
        if shared and not eligible[one.name].isdisjoint(eligible[other.name]):
            node = min(eligible[one.name] & eligible[other.name])
            what = f"port {min(shared)} is also one of agent {one.name}'s"
            report(("agents", other.name, "port"), f"{what}, and both may run on {node}")
    for spec in specs:
        room = len(eligible[spec.name])
        if spec.port is not None and spec.port_step == 0 and spec.replicas > room > 0:
            what = f"{spec.replicas} replicas share port {spec.port} and only {room} nodes"
            report(("agents", spec.name, "port_step"), f"{what} can take one each")


def _ports(spec: AgentSpec) -> frozenset[int]:
    ports = (spec.port_of(ordinal) for ordinal in range(spec.replicas))
    return frozenset(port for port in ports if port is not None and port <= 65_535)


def check_labels(root: Root, report: Report) -> None:
    """No node is given a label that every node has by itself."""
    for name, pool in root.pools.items():
        if pool is not None:
            _check_labels(pool.labels, ("pools", name, "labels"), report)
    for index, node in enumerate(root.nodes):
        _check_labels(node.labels, ("nodes", index, "labels"), report)


def _check_labels(labels: Mapping[str, str], path: KeyPath, report: Report) -> None:
    for label in sorted(OWN_LABELS & labels.keys()):
        report((*path, label), f"every node has its {label} as a label; choose another name")


def check_reserved(root: Root, report: Report) -> None:
    """No more is kept from agents than there is, as far as the configuration says."""
    for name, pool in root.pools.items():
        if pool is not None:
            _check_reserved(pool.reserved, pool.capacity, ("pools", name), report)
    for index, node in enumerate(root.nodes):
        _check_reserved(node.reserved, node.resources, ("nodes", index), report)


def _check_reserved(
    reserved: ResourcesSection | None, total: ResourcesSection | None, path: KeyPath, report: Report
) -> None:
    if reserved is None or total is None:
        return
    kept, there = _amounts(reserved), _amounts(total)
    for key, amount in kept.items():
        if key in there and amount > there[key]:
            report((*path, "reserved", *key), f"more than the {key[-1]} there is; lower it")


def _amounts(section: ResourcesSection) -> dict[tuple[str, ...], float]:
    said: dict[tuple[str, ...], float | None] = {
        ("cpu",): section.cpu,
        ("memory",): section.memory,
        **{("other", name): amount for name, amount in section.other.items()},
    }
    return {key: amount for key, amount in said.items() if amount is not None}


def check_rollouts(
    agents: Mapping[str, AgentSpec], pools: Mapping[str, Pool], pool_of: Mapping[NodeName, str],
    report: Report,
) -> None:  # fmt: skip
    """Every instance and every node can be replaced without breaking what its rollout says."""
    for name, spec in agents.items():
        _check_rollout(spec.rollout, spec.replicas, ("agents", name, "rollout"), report)
    nodes = Counter(pool_of.values())
    for name, pool in pools.items():
        _check_rollout(pool.rollout, nodes[name], ("pools", name, "rollout"), report)


def _check_rollout(rollout: Rollout, total: int, path: KeyPath, report: Report) -> None:
    healthy = rollout.min_healthy.of(total)
    spare = total - healthy
    if spare < 0:
        what = f"{healthy} can never be healthy, there are {total}; lower it"
        report((*path, "min_healthy"), what)
    elif rollout.order is Order.SURGE or not total:
        return
    elif not rollout.max_unavailable.of(total):
        what = "in place none could ever be changed; allow one at least"
        report((*path, "max_unavailable"), f"{what}, or write order: surge")
    elif not spare:
        what = f"{healthy} of {total} stay healthy, so in place none could ever be changed"
        report((*path, "min_healthy"), f"{what}; lower it, or write order: surge")
