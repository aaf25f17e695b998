"""How requests are spread over an agent's replicas: strategies, formulas and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from phoenixctl.model.names import AgentId, NodeName


class StrategyName(StrEnum):
    ROUND_ROBIN = "round-robin"
    WEIGHTED_ROUND_ROBIN = "weighted-round-robin"
    LEAST_CONNECTIONS = "least-connections"  # by weight, counted where requests are sent from
    RESPONSE_TIME = "response-time"
    RESOURCE_AWARE = "resource-aware"
    PREDICTIVE = "predictive"
    TWO_CHOICES = "two-choices"
    PEAK_EWMA = "peak-ewma"


class Formula(StrEnum):
    """How weights are made of what was measured."""

    CAPACITY = "capacity"  # requests per second / utilisation
    SIMPLE = "simple"  # the mean of four factors; it is simulated before it may be used


class PeerStatus(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"  # finishes what it has


LEAST_WEIGHT: Final = 0.1
MOST_WEIGHT: Final = 2.0


@dataclass(frozen=True, slots=True)
class BalancingSettings:
    """`least` and `most` bound a weight, of which 1 is the share of a peer like most others.

    A round changes a weight by the share `step` of what it lacks, and by a factor of `most_change`
    at most; what lacks less than `dead_band` stays. A surprising estimate makes the ones before
    count half after `half_life_rounds` rounds; a peer has none in its first `blackout_seconds`, and
    the one it has ends after `expiry_seconds` without a new one. Errors count as use, times
    `error_penalty`.

    `rise` good and `fall` bad looks in a row change a peer's health; at most the share
    `most_ejected` is out by errors at a time, and with less than the share `panic_below` healthy
    all take requests. A new peer gets its full share after `slow_start_seconds`.
    """

    strategy: StrategyName = StrategyName.LEAST_CONNECTIONS
    formula: Formula = Formula.CAPACITY
    interval_seconds: float = 30.0
    least: float = LEAST_WEIGHT
    most: float = MOST_WEIGHT
    step: float = 0.7
    most_change: float = 2.0
    dead_band: float = 0.03
    half_life_rounds: float = 1.0
    blackout_seconds: float = 10.0
    expiry_seconds: float = 180.0
    error_penalty: float = 1.0
    rise: int = 2
    fall: int = 3
    most_ejected: float = 0.3
    panic_below: float = 0.5
    slow_start_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class KeptMember:
    """What is remembered of a member between two rounds.

    `set` are the weights that this side has given it, the latest last: an apply that was cut off
    may have left either. `total` requests and `errors` of them were counted `counted_at`; it was
    first seen `since`. Times are in seconds since 1970.
    """

    node: NodeName
    agent: AgentId
    address: str
    port: int
    weight: float
    healthy: bool
    set: tuple[int, ...] = ()
    total: int | None = None
    errors: int | None = None
    counted_at: float = 0.0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class KeptBackend:
    """The last round of a backend as a document, and the router's process that it was of."""

    at_seconds: float
    pid: int | None
    members: Mapping[str, KeptMember]
    round: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class BalanceMemory:
    """What balancing remembers of a fleet, by `router/backend`.

    `strategy` was set by command and goes before the configuration's; `out` are agents that were
    taken out of balancing by command.
    """

    backends: Mapping[str, KeptBackend] = field(default_factory=lambda: MappingProxyType({}))
    strategy: StrategyName | None = None
    out: tuple[AgentId, ...] = ()
