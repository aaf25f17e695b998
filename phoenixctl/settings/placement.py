"""What is written about places as rules, taints and settings of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from phoenixctl.model.rules import (
    BY_DEFAULT,
    NO_RULES,
    Affinity,
    AgentSelector,
    Cap,
    Objectives,
    Operator,
    PlacementSettings,
    Rebalancing,
    Redundancy,
    Requirement,
    Rules,
    Spread,
    Toleration,
    Weights,
)
from phoenixctl.settings import placement_sections as sections
from phoenixctl.settings.nodes import Report
from phoenixctl.settings.places import KeyPath

_OPERATORS: Final = "equals, in, not_in, exists, greater, less"


def read_rules(section: sections.RulesSection, path: KeyPath, report: Report) -> Rules | None:
    """The rules written, None when they say nothing; what is wrong goes to `report`."""
    found = Rules(
        selector=tuple(_requirements(section.selector, (*path, "selector"), report)),
        affinity=_affinities(section.affinity),
        anti_affinity=_affinities(section.anti_affinity),
        spread=tuple(Spread(s.across, s.max_skew, s.weight) for s in section.spread),
        redundancy=tuple(Redundancy(r.across, r.at_least, r.weight) for r in section.redundancy),
        caps=_caps(section.caps),
        tolerations=tuple(Toleration(t.name, t.value) for t in section.tolerations),
        priority=section.priority,
        preempts=section.preempts,
        strategy=section.strategy,
    )
    return None if found == NO_RULES else found


def read_placement(
    section: sections.PlacementSection, path: KeyPath, report: Report
) -> PlacementSettings | None:
    """The fleet's settings, None when they are the usual ones; what is wrong goes to `report`."""
    weights, objectives, rebalance = section.weights, section.objectives, section.rebalance
    for key, shares in (("weights", weights), ("objectives", objectives)):
        if shares is not None and not any(shares.model_dump().values()):
            report((*path, key), "all of them are nought; give one of them more")
    found = PlacementSettings(
        strategy=section.strategy,
        weights=Weights() if weights is None else Weights(**weights.model_dump()),
        objectives=Objectives() if objectives is None else Objectives(**objectives.model_dump()),
        caps=_caps(section.caps),
        throughput_per_second=section.throughput,
        latency=section.latency,
        rebalance=Rebalancing() if rebalance is None else Rebalancing(**rebalance.model_dump()),
    )
    return None if found == BY_DEFAULT else found


def _requirements(
    written: Sequence[sections.RequirementSection], path: KeyPath, report: Report
) -> Iterator[Requirement]:
    for index, section in enumerate(written):
        found = list(_operators(section))
        if len(found) != 1:
            said = "several" if found else "none"
            report((*path, index), f"expected one of {_OPERATORS}, found {said}")
        for requirement in found:
            operator = requirement.operator
            if operator in (Operator.IN, Operator.NOT_IN) and not requirement.values:
                report((*path, index, operator.value), "name one value at least")
        # Also where something is wrong, so that those after it are told by their own numbers.
        yield found[0] if found else Requirement(section.label, Operator.ABSENT)


def _operators(section: sections.RequirementSection) -> Iterator[Requirement]:
    label, weight = section.label, section.weight
    for operator, values in (
        (Operator.IN, None if section.equals is None else [section.equals]),
        (Operator.IN, section.in_),
        (Operator.NOT_IN, section.not_in),
    ):
        if values is not None:
            yield Requirement(label, operator, values=tuple(values), weight=weight)
    if section.exists is not None:
        yield Requirement(
            label, Operator.EXISTS if section.exists else Operator.ABSENT, weight=weight
        )
    for operator, number in (
        (Operator.GREATER, section.greater),
        (Operator.LESS, section.less),
    ):
        if number is not None:
            yield Requirement(label, operator, number=number, weight=weight)


def _affinities(written: Sequence[sections.AffinitySection]) -> tuple[Affinity, ...]:
    return tuple(
        Affinity(
            AgentSelector(
                tuple(section.agents.ids),
                tuple(section.agents.specs),
                MappingProxyType(section.agents.labels),
            ),
            section.within,
            section.weight,
        )
        for section in written
    )


def _caps(written: Mapping[str, sections.CapSection]) -> tuple[Cap, ...]:
    return tuple(Cap(resource, cap.at, cap.weight) for resource, cap in written.items())
