"""Which rules hold, whom each is about, and when a value is beyond one of its levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.alerting import (
    AlertSettings,
    BurnRule,
    Direction,
    Level,
    Of,
    OnNoData,
    Rule,
    Severity,
    Status,
    ThresholdRule,
)
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.model.reading import UNITS, Metric, Unit
from phoenixctl.model.units import format_bytes, format_duration, format_ratio

EVERYTHING: Final = "*"  # the subject of what is of no node
CLEAR_SHARE: Final = 0.1  # how far back a value has to be when nobody says it, of the level

# The specification's thresholds. A node whose agents were taken away answers nobody any more, and
# that is not wrong; one that is silent itself is told of by cpu and memory.
DEFAULT_RULES: Final = (
    ThresholdRule(
        "cpu", Metric.CPU.value, Level(0.8, 0.75), Level(0.95, 0.9), of=Of.NODES,
        for_seconds=60.0, keep_firing_seconds=60.0,
    ),
    ThresholdRule(
        "memory", Metric.MEMORY.value, Level(0.85, 0.8), Level(0.95, 0.9), of=Of.NODES,
        for_seconds=60.0, keep_firing_seconds=60.0,
    ),
    ThresholdRule(
        "response-time", Metric.RESPONSE_MEAN.value, Level(0.1, 0.08), Level(0.5, 0.4),
        of=Of.NODES, for_seconds=60.0, keep_firing_seconds=60.0, on_no_data=OnNoData.END,
    ),
    ThresholdRule(
        "error-rate", Metric.ERROR_RATE.value, Level(0.05, 0.04), Level(0.1, 0.08),
        of=Of.NODES, for_seconds=60.0, keep_firing_seconds=60.0, on_no_data=OnNoData.END,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """Where a value is to one level; neither, when it is between `clear` and `at`."""

    over: bool
    clear: bool


def rules_of(settings: AlertSettings | None) -> tuple[Rule, ...]:
    """Those that are configured, and the default ones that none of them takes the name of."""
    own = settings or AlertSettings()
    defaults = DEFAULT_RULES if own.defaults else ()
    return (
        *(rule for rule in defaults if rule.name not in own.rules),
        *own.rules.values(),
    )


def levels_of(rule: ThresholdRule) -> tuple[tuple[Severity, Level], ...]:
    """The worst first."""
    both = ((Severity.CRITICAL, rule.critical), (Severity.WARNING, rule.warning))
    return tuple((severity, level) for severity, level in both if level is not None)


def judge(level: Level, direction: Direction, value: float) -> Judged:
    if direction is Direction.ABOVE:
        return Judged(value > level.at, value <= level.clear)
    return Judged(value < level.at, value >= level.clear)


def usual_clear(at: float, direction: Direction) -> float:
    """The clear level that belongs to a level for which none is said."""
    back = abs(at) * CLEAR_SHARE
    return at - back if direction is Direction.ABOVE else at + back


def labels_of(subject: str, fleet: Fleet) -> Mapping[str, str] | None:
    """What an alert about it can be grouped and silenced by; None: it is not of the fleet."""
    if subject == EVERYTHING:
        return {"subject": subject, "fleet": fleet.name}
    name, _, agent = subject.partition("/")
    node = fleet.nodes.get(NodeName(name))
    if node is None:
        return None
    own = {"subject": subject, "fleet": fleet.name, "node": name, "pool": node.pool}
    if agent:
        own |= {"agent": agent, "spec": agent.rpartition("-")[0] or agent}
    return {**node.labels, **own}


def concerns(rule: Rule, subject: str, labels: Mapping[str, str]) -> bool:
    """Whether the rule is about this subject."""
    if rule.pools and labels.get("pool") not in rule.pools:
        return False
    match rule.of:
        case Of.ALL:
            return True
        case Of.FLEET:
            return subject == EVERYTHING
        case Of.AGENTS:
            return "/" in subject
        case Of.NODES:
            return subject != EVERYTHING and "/" not in subject


def summary(rule: Rule, subject: str, status: Status, value: float | None) -> str:
    """`cpu_utilization of web-1 is 96%, above 95%`."""
    whose = "the fleet" if subject == EVERYTHING else subject
    if status is Status.NO_DATA:
        return f"{rule.metric} of {whose} has no data"
    if isinstance(rule, BurnRule):
        speed = "?" if value is None else f"{value:.1f}"
        return f"{whose} uses up its error budget of {rule.metric} {speed} times too fast"
    level = rule.critical if status is Status.CRITICAL else rule.warning or rule.critical
    found = "?" if value is None else in_unit(rule.metric, value)
    limit = "" if level is None else f", {rule.direction} {in_unit(rule.metric, level.at)}"
    return f"{rule.metric} of {whose} is {found}{limit}"


def in_unit(metric: str, value: float) -> str:
    """A value as people read it: with its unit where the metric is one of ours."""
    match _UNIT_OF.get(metric):
        case Unit.RATIO:
            return format_ratio(value)
        case Unit.SECONDS:
            return format_duration(value)
        case Unit.BYTES:
            return format_bytes(value)
        case Unit.BYTES_PER_SECOND:
            return f"{format_bytes(value)}/s"
        case _:
            return f"{value:.4g}"


_UNIT_OF: Final = {str(metric.value): unit for metric, unit in UNITS.items()}
