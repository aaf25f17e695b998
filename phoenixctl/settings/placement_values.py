"""The kinds of scalar that rules about places have."""

from __future__ import annotations

import math
from typing import Annotated

from phoenixctl.model import units
from phoenixctl.model.names import AgentId
from phoenixctl.model.rules import Effect, Goal, Latency, Strategy
from phoenixctl.settings.kinds import Expected, Written, choice, quantity, text, whole


def _read_number(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise Expected("a number")


StrategyName = Annotated[Strategy, choice(*(s.value for s in Strategy), make=Strategy)]
LatencyName = Annotated[Latency, choice(*(way.value for way in Latency), make=Latency)]
GoalName = Annotated[Goal, choice(*(g.value for g in Goal), make=Goal)]
EffectName = Annotated[Effect, choice(*(e.value for e in Effect), make=Effect)]
AgentName = Annotated[
    AgentId,
    text("an agent such as ingest-0", r"[a-z0-9][a-z0-9-]{0,62}-(?:0|[1-9]\d{0,5})", AgentId),
]
Number = Annotated[float, Written(_read_number, {"type": "number"})]
Priority = Annotated[int, whole(-1_000_000, 1_000_000)]
AtLeastTwo = Annotated[int, whole(2, 100_000)]
Part = Annotated[
    float,
    quantity(
        "a part, at most one, such as 0.1% or 0.001",
        units.parse_ratio,
        r"^\s*\d+(\.\d+)?%?\s*$",
        positive=False,
        most=1.0,
    ),
]
