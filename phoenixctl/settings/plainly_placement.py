"""Rules about places in the words of the configuration, as `plainly` does the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from phoenixctl.model.rules import (
    BY_DEFAULT,
    Affinity,
    AgentSelector,
    Cap,
    Operator,
    PlacementSettings,
    Requirement,
    Rules,
)

Written: TypeAlias = dict[str, Any]


def placement_as_written(settings: PlacementSettings | None) -> Written:
    settings = settings or BY_DEFAULT
    weights, objectives, rebalance = settings.weights, settings.objectives, settings.rebalance
    return {
        "strategy": settings.strategy.value,
        "weights": {
            "resources": weights.resources,
            "affinity": weights.affinity,
            "balance": weights.balance,
            "performance": weights.performance,
        },
        "objectives": {
            "latency": objectives.latency,
            "throughput": objectives.throughput,
            "balance": objectives.balance,
            "cost": objectives.cost,
        },
        "caps": _caps(settings.caps),
        "throughput": settings.throughput_per_second,
        "latency": settings.latency.value,
        "rebalance": {
            "goal": rebalance.goal.value,
            "max_moves": rebalance.max_moves,
            "move_cost": rebalance.move_cost,
        },
    }


def rules_as_written(rules: Rules) -> Written:
    return {
        "selector": [_requirement(requirement) for requirement in rules.selector],
        "affinity": [_affinity(affinity) for affinity in rules.affinity],
        "anti_affinity": [_affinity(affinity) for affinity in rules.anti_affinity],
        "spread": [
            {"across": s.across, "max_skew": s.max_skew, "weight": s.weight} for s in rules.spread
        ],
        "redundancy": [
            {"across": r.across, "at_least": r.at_least, "weight": r.weight}
            for r in rules.redundancy
        ],
        "caps": _caps(rules.caps),
        "tolerations": [{"key": t.key, "value": t.value} for t in rules.tolerations],
        "priority": rules.priority,
        "preempts": rules.preempts,
        "strategy": None if rules.strategy is None else rules.strategy.value,
    }


def _requirement(requirement: Requirement) -> Written:
    match requirement.operator:
        case Operator.IN if len(requirement.values) == 1:
            said: Written = {"equals": requirement.values[0]}
        case Operator.IN | Operator.NOT_IN as operator:
            said = {operator.value: list(requirement.values)}
        case Operator.EXISTS | Operator.ABSENT as operator:
            said = {"exists": operator is Operator.EXISTS}
        case operator:
            said = {operator.value: requirement.number}
    return {"label": requirement.label, **said, "weight": requirement.weight}


def _affinity(affinity: Affinity) -> Written:
    return {
        "agents": _agents(affinity.agents),
        "within": affinity.within,
        "weight": affinity.weight,
    }


def _agents(selector: AgentSelector) -> Written:
    return {
        "ids": list(selector.ids),
        "specs": list(selector.specs),
        "labels": dict(selector.labels),
    }


def _caps(caps: Iterable[Cap]) -> Written:
    return {cap.resource: {"at": cap.ratio, "weight": cap.weight} for cap in caps}
