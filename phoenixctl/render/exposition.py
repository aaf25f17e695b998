"""What is known of a fleet as Prometheus and OpenMetrics have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
from prometheus_client.core import Metric as Family

from phoenixctl.metrics.alert_state import Standings
from phoenixctl.metrics.gathered import UP
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.prometheus import (
    NAME,
    PREFIX,
    labels_of,
    place_of,
    served_name,
    type_of,
)
from phoenixctl.metrics.subjects import FLEET
from phoenixctl.model.alerting import Status
from phoenixctl.model.reading import UNITS, AgentMetric, Metric
from phoenixctl.performance.compliance import OBJECTIVES, compliance
from phoenixctl.ports.records import Entry

_UNITS: Final = {metric.value: unit.value for metric, unit in UNITS.items()}
_OF_AGENTS: Final = frozenset(metric.value for metric in AgentMetric)
_OF_NODES: Final = frozenset(metric.value for metric in Metric)
_RECORDED: Final = "Recorded by a script or found by a collector."


@dataclass(frozen=True)
class Exposed:
    """What one scrape tells. `values`: by metric and subject. `operations`: the latest first."""

    fleet: str
    version: str
    values: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    standings: Standings = field(default_factory=dict)
    evaluated_at: float | None = None
    operations: Sequence[Entry] = ()
    targets: Mapping[str, float] = field(default_factory=dict)  # by name, in their units


def families(exposed: Exposed) -> Iterator[Family]:
    """Each name once, with what its values are and all of them."""
    own = {
        family.name: family
        for family in (
            _build(exposed),
            *_targets(exposed),
            *_alerts(exposed),
            *_operations(exposed),
        )
    }
    yield from own.values()
    yield from _values(exposed, taken=set(own))


def _build(exposed: Exposed) -> Family:
    found = Family(f"{PREFIX}build_info", "The phoenixctl that tells all this.", "gauge")
    found.add_sample(found.name, {"fleet": exposed.fleet, "version": exposed.version}, 1.0)
    return found


def _targets(exposed: Exposed) -> tuple[Family, Family]:
    wanted = Family(f"{PREFIX}target", "What is wanted, in the unit of its value.", "gauge")
    met = Family(f"{PREFIX}target_compliance", "How far it is met now, 0 to 1.", "gauge")
    for objective in OBJECTIVES:
        labels = {"fleet": exposed.fleet, "target": objective.name}
        target = exposed.targets.get(objective.name)
        value = exposed.values.get(objective.name, {}).get(FLEET)
        if target is not None:
            wanted.add_sample(wanted.name, labels, target)
            if value is not None:
                met.add_sample(
                    met.name, labels, compliance(objective.better, _short(value), target)
                )
    return wanted, met


def _alerts(exposed: Exposed) -> tuple[Family, Family]:
    alert = Family(
        f"{PREFIX}alert", "1 for each subject that a rule does not find in order.", "gauge"
    )
    for (rule, subject), standing in sorted(exposed.standings.items()):
        if standing.status is not Status.OK:
            labels = {"fleet": exposed.fleet, "rule": rule, "status": standing.status.value}
            alert.add_sample(alert.name, {**labels, **place_of(subject)}, 1.0)
    evaluated = Family(
        f"{PREFIX}alerts_evaluated_timestamp_seconds", "When rules were last evaluated.", "gauge"
    )
    if exposed.evaluated_at is not None:
        evaluated.add_sample(evaluated.name, {"fleet": exposed.fleet}, exposed.evaluated_at)
    return alert, evaluated


def _operations(exposed: Exposed) -> Sequence[Family]:
    finished, duration, steps, failures = made = (
        Family(f"{PREFIX}operation_finished_timestamp_seconds", "When it was over.", "gauge"),
        Family(f"{PREFIX}operation_duration_seconds", "From its plan to its end.", "gauge"),
        Family(f"{PREFIX}operation_steps", "Steps of its plan.", "gauge"),
        Family(f"{PREFIX}operation_failures", "Steps that failed or are unknown.", "gauge"),
    )
    for entry in exposed.operations:
        labels = {"fleet": exposed.fleet, "id": entry.id}
        end, begun = _seconds(entry.at), _seconds(entry.begun)
        if end is not None:
            about = {"title": entry.title, "outcome": entry.outcome}
            finished.add_sample(finished.name, {**labels, **about}, end)
            if begun is not None:
                duration.add_sample(duration.name, labels, max(0.0, end - begun))
        steps.add_sample(steps.name, labels, entry.steps)
        failures.add_sample(failures.name, labels, entry.failures)
    return made


def _values(exposed: Exposed, *, taken: set[str]) -> Iterator[Family]:
    """The latest values, of each name together; names of our own come from nobody else."""
    by_name: dict[str, list[str]] = {}
    for metric in sorted(exposed.values):
        by_name.setdefault(served_name(metric), []).append(metric)
    for name, metrics in sorted(by_name.items()):
        kinds = {type_of(m, exposed.kinds.get(m, Kind.GAUGE)) for m in metrics}
        kind = kinds.pop() if len(kinds) == 1 else "unknown"
        # OpenMetrics names a counter without its end, which may be another's name already.
        family = name.removesuffix("_total") if kind == "counter" else name
        if kind == "counter" and family in by_name.keys() | taken:
            kind, family = "unknown", name
        if name in taken:
            continue
        found = Family(family, _help(name.removeprefix(PREFIX)), kind)
        for metric in metrics:
            labels = labels_of(exposed.fleet, metric, FLEET)
            del labels[NAME]
            exact = exposed.kinds.get(metric) is Kind.COUNTER
            for subject, value in exposed.values[metric].items():
                told = value if exact else _short(value)
                found.add_sample(name, {**labels, **place_of(subject)}, told)
        yield found


def _help(name: str) -> str:
    if name == UP:
        return "1: the node answers, the agent serves; 0: not."
    if name not in _UNITS:
        return _RECORDED
    whose = [
        words for words, own in (("a node", _OF_NODES), ("an agent", _OF_AGENTS)) if name in own
    ]
    what = name.replace("_", " ").capitalize()
    return f"{what} of {' or '.join(whose)}, in {_UNITS[name]}."


def _short(value: float) -> float:
    """0.1 and not 0.10000000149: all but counters are kept in 32 bits."""
    return float(str(np.float32(value)))


def _seconds(when: str) -> float | None:
    """Since 1970; None for what is no time."""
    try:
        return datetime.fromisoformat(when).timestamp()
    except ValueError:
        return None
