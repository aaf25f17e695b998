"""What must be true of rules about places: what they name is there, and they can hold together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.fleet import AgentSpec, Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.model.rules import (
    NODE,
    POOL,
    AgentSelector,
    Cap,
    Operator,
    Requirement,
    Rules,
)
from phoenixctl.settings.contradictions import check_contradictions
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath, nearest

_MEASURED: Final = ("cpu", "memory", "network", "disk")
_OF_AWS: Final = ("region", "zone", "type")  # labels that its provider gives to nodes


def check_placement(fleet: Fleet, nodes: Collection[NodeName], report: Report) -> None:
    """Every agent, label and resource that a rule names exists; no two rules exclude each other.

    `nodes`: all names, those which a provider will create included.
    """
    known = _Known(
        agents=fleet.agents,
        labels=sorted({NODE, POOL, *_labels(fleet)}),
        places={NODE: nodes, POOL: list(fleet.pools)},
        resources=[*_MEASURED, *sorted(_named(fleet))],
        report=report,
    )
    if fleet.placement is not None:
        known.check_caps(fleet.placement.caps, ("placement", "caps"))
    for name, spec in fleet.agents.items():
        if spec.rules is not None:
            known.check_rules(spec.rules, ("agents", name, "placement"))
    check_contradictions(fleet.agents, report)


def _labels(fleet: Fleet) -> Iterator[str]:
    for pool in fleet.pools.values():
        yield from pool.labels
        yield from _OF_AWS if pool.aws else ()
    for node in fleet.nodes.values():
        yield from node.labels


def _named(fleet: Fleet) -> set[str]:
    pools, nodes = fleet.pools.values(), fleet.nodes.values()
    said = [
        *(spec.resources for spec in fleet.agents.values()),
        *(resources for pool in pools for resources in (pool.capacity, pool.reserved)),
        *(resources for node in nodes for resources in (node.resources, node.reserved)),
    ]
    return {name for resources in said if resources is not None for name in resources.other}


@dataclass(frozen=True, slots=True)
class _Known:
    agents: Mapping[str, AgentSpec]
    labels: Sequence[str]
    places: Mapping[str, Collection[str]]  # by the labels that every node has
    resources: Sequence[str]
    report: Report

    def check_rules(self, rules: Rules, path: KeyPath) -> None:
        for index, requirement in enumerate(rules.selector):
            self._check_requirement(requirement, (*path, "selector", index))
        for key, affinities in (
            ("affinity", rules.affinity),
            ("anti_affinity", rules.anti_affinity),
        ):
            for index, affinity in enumerate(affinities):
                where: KeyPath = (*path, key, index)
                self._check_agents(affinity.agents, (*where, "agents"))
                self._check_label(affinity.within, (*where, "within"))
        for index, spread in enumerate(rules.spread):
            self._check_label(spread.across, (*path, "spread", index, "across"))
        for index, redundancy in enumerate(rules.redundancy):
            self._check_label(redundancy.across, (*path, "redundancy", index, "across"))
        self.check_caps(rules.caps, (*path, "caps"))

    def check_caps(self, caps: Iterable[Cap], path: KeyPath) -> None:
        for cap in caps:
            if cap.resource not in self.resources:
                what = f"no resource `{cap.resource}`{nearest(cap.resource, self.resources)}"
                self.report((*path, cap.resource), what)

    def _check_label(self, label: str, path: KeyPath) -> None:
        if label not in self.labels:
            what = f"no pool or node has a label `{label}`{nearest(label, self.labels)}"
            self.report(path, what)

    def _check_requirement(self, requirement: Requirement, path: KeyPath) -> None:
        label, operator = requirement.label, requirement.operator
        if operator not in (Operator.NOT_IN, Operator.ABSENT):  # true where there is none, too
            self._check_label(label, (*path, "label"))
        places = self.places.get(label)
        for value in requirement.values if places is not None else ():
            if places is not None and value not in places:
                self.report(path, f"no {label} `{value}`{nearest(value, places)}")

    def _check_agents(self, selector: AgentSelector, path: KeyPath) -> None:
        if selector == AgentSelector():
            self.report(path, "say which: the name of a spec, or ids, specs or labels")
        for spec in selector.specs:
            if spec not in self.agents:
                self.report(path, f"no agent spec `{spec}`{nearest(spec, self.agents)}")
        for agent in selector.ids:
            self._check_id(agent, path)
        for label, value in selector.labels.items():
            self._check_agent_label(label, value, path)

    def _check_id(self, agent: str, path: KeyPath) -> None:
        name, _, ordinal = agent.rpartition("-")
        spec = self.agents.get(name)
        if spec is None:
            self.report(path, f"no agent spec `{name}`{nearest(name, self.agents)}")
        elif int(ordinal) >= spec.replicas:
            what = f"no agent `{agent}`; replicas of {name}: {spec.replicas}"
            self.report(path, what)

    def _check_agent_label(self, label: str, value: str, path: KeyPath) -> None:
        having = [s.labels[label] for s in self.agents.values() if label in s.labels]
        if not having:
            known = sorted({key for spec in self.agents.values() for key in spec.labels})
            self.report(path, f"no agent has a label `{label}`{nearest(label, known)}")
        elif value not in having:
            known = sorted(set(having))
            self.report(path, f"no agent has the label {label}: {value}{nearest(value, known)}")
