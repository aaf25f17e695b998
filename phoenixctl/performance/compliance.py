"""How well a measured value meets its target: compliance in [0, 1] and relative deviation.

Formulas of the user's specification, with two amendments: compliance never falls below 0, and an
unknown value has no compliance instead of counting as 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from phoenixctl.model.fleet import Targets
from phoenixctl.model.reading import Reading, Unit


class Better(StrEnum):
    LOWER = "lower"
    HIGHER = "higher"
    NEAR = "near"  # neither idle nor overloaded


@dataclass(frozen=True, slots=True)
class Objective:
    """One target: its name, its unit, and which direction is good."""

    name: str
    better: Better
    unit: Unit


OBJECTIVES: Final = (
    Objective("agent_response_time_p95", Better.LOWER, Unit.SECONDS),
    Objective("message_throughput", Better.HIGHER, Unit.PER_SECOND),
    Objective("cluster_availability", Better.HIGHER, Unit.RATIO),
    Objective("resource_utilization", Better.NEAR, Unit.RATIO),
    Objective("scaling_response_time", Better.LOWER, Unit.SECONDS),
)


@dataclass(frozen=True, slots=True)
class Compliance:
    """One target against what was measured. Unknown stays None in all three."""

    objective: Objective
    target: float
    current: Reading
    compliance: float | None
    deviation: float | None

    @property
    def note(self) -> str:
        """What a person may ask about the number."""
        if self.current.value is None:
            return self.current.why
        if self.objective.better is Better.NEAR and self.current.value < self.target:
            return "below the target: room to spare"
        return self.current.why


def targets_by_name(targets: Targets) -> dict[str, float]:
    """The targets under the names of OBJECTIVES, in their units."""
    return {
        "agent_response_time_p95": targets.agent_response_time_p95_seconds,
        "message_throughput": targets.message_throughput_per_second,
        "cluster_availability": targets.cluster_availability,
        "resource_utilization": targets.resource_utilization,
        "scaling_response_time": targets.scaling_response_time_seconds,
    }


def compliance(better: Better, current: float, target: float) -> float:
    """1 where the target is met, falling towards 0 the further it is missed."""
    match better:
        case Better.LOWER:
            return 1.0 if current <= target else target / current
        case Better.HIGHER:
            return 1.0 if current >= target else max(0.0, current / target)
        case Better.NEAR:
            over = (2 * target - current) / target
            return max(0.0, current / target if current <= target else over)


def deviation(better: Better, current: float, target: float) -> float:
    """How far the target is missed, relative to it; 0 where it is met."""
    match better:
        case Better.LOWER:
            return max(0.0, current - target) / target
        case Better.HIGHER:
            return max(0.0, target - current) / target
        case Better.NEAR:
            return abs(current - target) / target


def assess(targets: Targets, current: dict[str, Reading]) -> tuple[Compliance, ...]:
    """Every objective against the current readings, by name."""
    wanted = targets_by_name(targets)
    return tuple(
        _assess_one(objective, wanted[objective.name], current[objective.name])
        for objective in OBJECTIVES
    )


def fleet_compliance(rows: Iterable[Compliance]) -> float | None:
    """The mean over the targets whose value is known; None when none is."""
    known = [row.compliance for row in rows if row.compliance is not None]
    return sum(known) / len(known) if known else None


def _assess_one(objective: Objective, target: float, current: Reading) -> Compliance:
    if current.value is None:
        return Compliance(objective, target, current, None, None)
    return Compliance(
        objective,
        target,
        current,
        compliance(objective.better, current.value, target),
        deviation(objective.better, current.value, target),
    )
