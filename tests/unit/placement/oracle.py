"""What a placement has to keep, in plain Python, without anything of the package that places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from phoenixctl.model.fleet import AgentSpec, Fleet, Node, Resources
from phoenixctl.model.placement import Placement
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import (
    NO_RULES,
    NODE,
    POOL,
    AgentSelector,
    Cap,
    Effect,
    Operator,
    Requirement,
    Rules,
)
from phoenixctl.model.snapshot import AgentState, NodeObservation, Snapshot

SLACK = 1 + 1e-9
MEASURED = {"cpu": Metric.CPU, "memory": Metric.MEMORY, "network": Metric.NETWORK,
            "disk": Metric.DISK}  # fmt: skip


@dataclass(frozen=True)
class One:
    id: str
    spec: AgentSpec
    node: str
    new: bool

    @property
    def rules(self) -> Rules:
        return self.spec.rules or NO_RULES


def living(fleet: Fleet, snapshot: Snapshot, without: Iterable[str] = ()) -> list[One]:
    gone = set(without)
    return [
        One(a.id, fleet.agents.get(a.spec_name) or AgentSpec(a.spec_name, ()), a.node, new=False)
        for a in snapshot.agents()
        if a.state is not AgentState.STOPPED and a.id not in gone
    ]


def faults(
    fleet: Fleet, snapshot: Snapshot, placement: Placement, waiting: Iterable[str]
) -> list[str]:
    """Every hard rule that a placed agent breaks when all is done."""
    victims = {victim for gone in placement.preempted.values() for victim in gone}
    there = living(fleet, snapshot, {*waiting, *victims})
    for one, name in placement.assigned.items():
        there.append(One(one, fleet.agents[one.rpartition("-")[0]], name, new=True))
    new = [one for one in there if one.new]
    found = [fault for one in new for fault in _alone(one, fleet, snapshot)]
    found += _capacity(there, fleet, snapshot)
    found += [fault for one in new for fault in _neighbours(one, there, fleet)]
    for spec in {one.spec.name: one.spec for one in new}.values():
        found += _spread(spec, there, fleet, snapshot)
    return found


def narrowness(fleet: Fleet, there: Iterable[One], spec: AgentSpec) -> int:
    """By how many domains the redundancy of a spec is short, with those to come in new ones."""
    everyone = [one for one in there if one.spec.name == spec.name]
    to_come = max(0, spec.replicas - len(everyone))
    short = 0
    for rule in (spec.rules or NO_RULES).redundancy:
        if rule.weight is None:
            domains = {label(fleet.nodes[one.node], rule.across, fleet) for one in everyone}
            wanted = min(rule.at_least, spec.replicas)
            short += max(0, wanted - len(domains - {None}) - to_come)
    return short


def label(node: Node, name: str, fleet: Fleet) -> str | None:
    if name == NODE:
        return node.name
    if name == POOL:
        return node.pool
    return {**fleet.pools[node.pool].labels, **node.labels}.get(name)


def meant(agents: AgentSelector, one: One) -> bool:
    return (
        (not agents.ids or one.id in agents.ids)
        and (not agents.specs or one.spec.name in agents.specs)
        and all(one.spec.labels.get(key) == value for key, value in agents.labels.items())
    )


def takes(spec: AgentSpec, node: Node, fleet: Fleet, snapshot: Snapshot) -> bool:
    return not list(_standing(spec, node, fleet, snapshot))


def _standing(spec: AgentSpec, node: Node, fleet: Fleet, snapshot: Snapshot) -> Iterator[str]:
    """What of the node itself speaks against the spec."""
    seen, pool, rules = snapshot.nodes[node.name], fleet.pools[node.pool], spec.rules or NO_RULES
    if not isinstance(seen, NodeObservation):
        yield "silent"
        return
    if seen.cordon or (pool.bootstrap and not seen.joined):
        yield "closed"
    if (spec.pools and node.pool not in spec.pools) or (spec.nodes and node.name not in spec.nodes):
        yield "elsewhere"
    for taint in (*node.taints, *pool.taints):
        fine = any(t.key == taint.key and t.value in (None, taint.value) for t in rules.tolerations)
        if taint.effect is Effect.KEEP_OFF and not fine:
            yield "tainted"
    for wanted in rules.selector:
        if wanted.weight is None and not _met(wanted, label(node, wanted.label, fleet)):
            yield "selector"


def _met(wanted: Requirement, value: str | None) -> bool:
    if wanted.operator is Operator.EXISTS:
        return value is not None
    if wanted.operator is Operator.ABSENT:
        return value is None
    if wanted.operator is Operator.IN:
        return value in wanted.values
    if wanted.operator is Operator.NOT_IN:
        return value not in wanted.values
    if value is None or not value.isdigit() or wanted.number is None:
        return False
    more = float(value) > wanted.number
    return more if wanted.operator is Operator.GREATER else float(value) < wanted.number


def _alone(one: One, fleet: Fleet, snapshot: Snapshot) -> Iterator[str]:
    for fault in _standing(one.spec, fleet.nodes[one.node], fleet, snapshot):
        yield f"{one.id} on {one.node}: {fault}"
    seen = snapshot.nodes[one.node]
    for cap in (*_fleet_caps(fleet), *one.rules.caps):
        metric = MEASURED.get(cap.resource)
        value = seen.metrics[metric].value if metric else None
        if cap.weight is None and value is not None and value > cap.ratio:
            yield f"{one.id} on {one.node}: {cap.resource} in use"


def amounts(resources: Resources | None) -> dict[str, float]:
    if resources is None:
        return {}
    own = {"cpu": resources.cpu, "memory": resources.memory, **resources.other}
    return {name: value for name, value in own.items() if value}


def _capacity(there: Iterable[One], fleet: Fleet, snapshot: Snapshot) -> Iterator[str]:
    by_node: dict[str, list[One]] = {}
    for one in there:
        by_node.setdefault(one.node, []).append(one)
    for name, here in by_node.items():
        sums, before = Counter[str](), Counter[str]()
        for one in here:
            sums.update(amounts(one.spec.resources))
            before.update({} if one.new else amounts(one.spec.resources))
        for one in here:
            for resource, need in amounts(one.spec.resources).items() if one.new else ():
                total, kept = _size(name, resource, fleet, snapshot)
                if total is None or sums[resource] > (
                    min(total - kept, _ratio(_fleet_caps(fleet), resource) * total) * SLACK
                ):
                    yield f"{name}: {sums[resource]} of {resource} promised, has {total}"
                # A spec's own cap is about the node that its agent comes to.
                elif before[resource] + need > _ratio(one.rules.caps, resource) * total * SLACK:
                    yield f"{one.id} on {name}: {resource} above its cap"


def _ratio(caps: Iterable[Cap], resource: str) -> float:
    return min([1.0, *(c.ratio for c in caps if c.resource == resource and c.weight is None)])


def _fleet_caps(fleet: Fleet) -> tuple[Cap, ...]:
    return fleet.placement.caps if fleet.placement else ()


def _size(name: str, resource: str, fleet: Fleet, snapshot: Snapshot) -> tuple[float | None, float]:
    node, pool = fleet.nodes[name], fleet.pools[fleet.nodes[name].pool]
    kept = amounts(node.reserved or pool.reserved).get(resource, 0.0)
    if resource in amounts(node.resources):
        return amounts(node.resources)[resource], kept
    metric = {"cpu": Metric.CORES, "memory": Metric.MEMORY_TOTAL}.get(resource)
    if metric:
        return snapshot.nodes[name].metrics[metric].value, kept
    return amounts(pool.capacity).get(resource, 0.0), kept


def _neighbours(one: One, there: Iterable[One], fleet: Fleet) -> Iterator[str]:
    others = [other for other in there if other.id != one.id]

    def together(other: One, within: str) -> bool:
        value = label(fleet.nodes[one.node], within, fleet)
        return value is not None and value == label(fleet.nodes[other.node], within, fleet)

    for other in others:
        for rule in one.rules.anti_affinity:
            if rule.weight is None and meant(rule.agents, other) and together(other, rule.within):
                yield f"{one.id} is with {other.id}"
        known = fleet.agents.get(other.spec.name)
        for rule in other.rules.anti_affinity if known else ():
            if rule.weight is None and meant(rule.agents, one) and together(other, rule.within):
                yield f"{other.id} has {one.id} with it"
    for rule in one.rules.affinity:
        if rule.weight is not None:
            continue
        placed = [o for o in others if meant(rule.agents, o)
                  and label(fleet.nodes[o.node], rule.within, fleet) is not None]  # fmt: skip
        labelled = label(fleet.nodes[one.node], rule.within, fleet) is not None
        first = not placed and meant(rule.agents, one) and labelled
        if not first and not any(together(other, rule.within) for other in placed):
            yield f"{one.id} is without company"


def _spread(
    spec: AgentSpec, there: Iterable[One], fleet: Fleet, snapshot: Snapshot
) -> Iterator[str]:
    here = [one for one in there if one.spec.name == spec.name]
    for rule in (spec.rules or NO_RULES).spread:
        if rule.weight is not None:
            continue
        counts: Mapping[str | None, int] = Counter(
            label(fleet.nodes[one.node], rule.across, fleet) for one in here
        )
        able = {
            label(node, rule.across, fleet)
            for node in fleet.nodes.values()
            if takes(spec, node, fleet, snapshot)
        } - {None}
        fewest = min((counts[value] for value in able), default=0)
        for one in here:
            value = label(fleet.nodes[one.node], rule.across, fleet)
            if one.new and (value is None or counts[value] - fewest > rule.max_skew):
                yield f"{one.id}: {counts[value]} in {value}, {fewest} elsewhere"
