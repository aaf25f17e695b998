"""Which agent goes to which node, and why others were turned down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from phoenixctl.model.names import AgentId, NodeName


@dataclass(frozen=True, slots=True)
class Rejection:
    """One constraint that one node failed: what was needed, what it has.

    `remedy` is the smallest change after which this constraint would let the agent in, and `by` how
    much of one it is, from 0 (next to nothing) to 1 (as large as what was needed, or a yes for a
    no); remedies are compared by it.
    """

    node: NodeName
    constraint: str
    need: str
    have: str
    remedy: str = ""
    by: float = 1.0


@dataclass(frozen=True, slots=True)
class Placement:
    """Agents that got a node, and for each that did not, why every node was turned down.

    `preempted` has, for each agent that took the room of running ones, those that give way; they
    are in `assigned`, if another node takes them, or in `unplaced` as well.
    """

    assigned: Mapping[AgentId, NodeName]
    unplaced: Mapping[AgentId, tuple[Rejection, ...]]
    preempted: Mapping[AgentId, tuple[AgentId, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether it is proven that no placement of all these agents exists.

    `rules` are then few that cannot be kept together; `stay`: as long as agents that run stay where
    they are. If nothing is proven, `why` says so.
    """

    proven: bool
    rules: tuple[str, ...] = ()
    stay: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one node says to one agent: all that keeps it off, or the terms of its score, 0 to 1."""

    node: NodeName
    rejections: tuple[Rejection, ...] = ()
    terms: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    score: float | None = None  # None: it turns the agent down


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an agent goes where it goes. `here` are the nodes it was found on.

    `verdicts` has every node: first those that take the agent, the best first, then those that do
    not, the one that lacks least first. `weights` are those of the terms. `company`: no node takes
    it alone, but these nodes take it and others that are not placed yet, each with its node.
    """

    agent: AgentId
    strategy: str
    weights: Mapping[str, float]
    here: tuple[NodeName, ...]
    verdicts: tuple[Verdict, ...]
    company: tuple[tuple[AgentId, NodeName], ...] = ()

    @property
    def open(self) -> tuple[Verdict, ...]:
        """The nodes that take it."""
        return tuple(v for v in self.verdicts if v.score is not None)

    @property
    def closed(self) -> tuple[Verdict, ...]:
        """The nodes that do not."""
        return tuple(v for v in self.verdicts if v.score is None)

    @property
    def nearest(self) -> Verdict | None:
        """The node that would take it after the smallest change to what keeps it off."""
        return next(iter(self.closed), None)


@dataclass(frozen=True, slots=True)
class Usage:
    """One resource over all nodes where it is known: in cores, bytes, or as it is counted.

    `stranded` is what is free on nodes that have no room for any spec of the fleet, for they lack
    something else. `in_use` is measured, None where nothing measures it.
    """

    resource: str
    total: float
    reserved: float
    promised: float
    free: float
    stranded: float
    in_use: float | None


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that an agent breaks where it runs."""

    agent: AgentId
    rejection: Rejection


@dataclass(frozen=True, slots=True)
class Room:
    """How many more agents of a spec would find a place if nothing else came. None: any number.
    `or_more`: nobody looked further."""

    agents: int | None
    or_more: bool = False


@dataclass(frozen=True, slots=True)
class PlacementStats:
    """The fleet's placement in numbers.

    `nodes_needed` is a lower bound on how many nodes of the sizes there are must be in use for
    what was promised; `efficiency` is its part of those that are. `room` is by spec.
    """

    agents: int
    wanted: int
    nodes: int
    nodes_in_use: int
    nodes_needed: int
    unplaced: tuple[AgentId, ...]
    usage: tuple[Usage, ...]
    room: Mapping[str, Room]
    violations: tuple[Violation, ...]
    objectives: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def efficiency(self) -> float | None:
        return self.nodes_needed / self.nodes_in_use if self.nodes_in_use else None
