"""What the configuration says about where agents may go, and where they had better go.

A rule without a weight is hard: placement never breaks it, and one that is broken already may only
get better. With a weight it is soft: it counts for so much in the affinity score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from phoenixctl.model.names import AgentId

NODE: Final = "node"  # as a domain: every node is one of its own
POOL: Final = "pool"  # a label that every node has, whatever its configuration says


class Operator(StrEnum):
    """How a label is compared. `GREATER` and `LESS` read it as a number."""

    IN = "in"
    NOT_IN = "not_in"  # true too for a node without the label
    EXISTS = "exists"
    ABSENT = "absent"
    GREATER = "greater"
    LESS = "less"


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a label of the node must be: one of `values`, or beyond `number`."""

    label: str
    operator: Operator
    values: tuple[str, ...] = ()
    number: float | None = None
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class AgentSelector:
    """The agents that fit all that is given: one of the ids, one of the specs, all labels."""

    ids: tuple[AgentId, ...] = ()
    specs: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Affinity:
    """Together with other agents, or apart from them, in one domain of a label of nodes."""

    agents: AgentSelector
    within: str = NODE
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """The spec's agents are spread over the values of a label: no two differ by more."""

    across: str
    max_skew: int = 1
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Redundancy:
    """The spec's agents are in at least so many domains; with fewer replicas, each in another."""

    across: str
    at_least: int = 2
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """No more than this part of a resource is promised or, where it is measured, in use."""

    resource: str  # cpu, memory, network, disk, or a named one
    ratio: float
    weight: float | None = None


class Effect(StrEnum):
    KEEP_OFF = "keep_off"  # no agent goes there that does not tolerate it
    AVOID = "avoid"  # only when no other node would do as well


@dataclass(frozen=True, slots=True)
class Taint:
    """A mark on nodes, in the configuration, that agents have to tolerate."""

    key: str
    value: str = ""
    effect: Effect = Effect.KEEP_OFF


@dataclass(frozen=True, slots=True)
class Toleration:
    """The taints of a key that an agent does not mind: all of them, or those of one value."""

    key: str
    value: str | None = None


class Strategy(StrEnum):
    """Which of the nodes that take an agent is the best."""

    RESOURCE_AWARE = "resource_aware"  # the weighted score
    SPREAD = "spread"  # the one with the fewest agents
    PACK = "pack"  # the fullest one
    LATENCY_AWARE = "latency_aware"  # the one that answers soonest
    COST = "cost"  # the cheapest one, fullest first


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything a spec says about its agents' places.

    Of two agents that need the same room the one of higher `priority` gets it; if it `preempts`,
    also from agents that run. `strategy` None: the fleet's.
    """

    selector: tuple[Requirement, ...] = ()
    affinity: tuple[Affinity, ...] = ()
    anti_affinity: tuple[Affinity, ...] = ()
    spread: tuple[Spread, ...] = ()
    redundancy: tuple[Redundancy, ...] = ()
    caps: tuple[Cap, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    priority: int = 0
    preempts: bool = False
    strategy: Strategy | None = None


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part of the score counts for (the specification's defaults)."""

    resources: float = 0.3
    affinity: float = 0.2
    balance: float = 0.3
    performance: float = 0.2


@dataclass(frozen=True, slots=True)
class Objectives:
    """What a whole placement is judged by (the specification's defaults)."""

    latency: float = 0.3
    throughput: float = 0.3
    balance: float = 0.2
    cost: float = 0.2


class Latency(StrEnum):
    """How the score judges response times."""

    TARGET = "target"  # target / max(target, time): within the target all are alike
    INVERSE = "inverse"  # 1 / max(milliseconds, 1), as the specification has it


class Goal(StrEnum):
    """What a rebalance is for."""

    EVEN = "even"  # the same number of agents, and the same load, on every node
    RESOURCES = "resources"  # no node is far fuller than others
    LATENCY = "latency"  # agents leave nodes that answer slowly
    CONSOLIDATE = "consolidate"  # as few nodes as will do


@dataclass(frozen=True, slots=True)
class Rebalancing:
    """`move_cost`: what a move must be worth; 1 is what one agent costs in the worst placement."""

    goal: Goal = Goal.EVEN
    max_moves: int = 10
    move_cost: float = 0.001


@dataclass(frozen=True, slots=True)
class PlacementSettings:
    """How the fleet places agents. Caps hold on every node, on top of a spec's own.

    A node's throughput counts in full from `throughput_per_second` on.
    """

    strategy: Strategy = Strategy.RESOURCE_AWARE
    weights: Weights = Weights()
    objectives: Objectives = Objectives()
    caps: tuple[Cap, ...] = ()
    throughput_per_second: float = 1000.0
    latency: Latency = Latency.TARGET
    rebalance: Rebalancing = Rebalancing()


NO_RULES: Final = Rules()
BY_DEFAULT: Final = PlacementSettings()
