"""What a rebalance would do, and what for, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.rules import Goal


@dataclass(frozen=True, slots=True)
class Move:
    """One agent goes from one node to another."""

    agent: AgentId
    source: NodeName
    target: NodeName


@dataclass(frozen=True, slots=True)
class Refusal:
    """A move that the search had found and the simulation turned down."""

    move: Move
    why: str


@dataclass(frozen=True, slots=True)
class Point:
    """The best that was found with so many moves. `objective` is a part of what the worst
    placement would cost; `gain` is what the last moves, `made`, took off it. No placement that
    breaks nothing has an objective below `bound` and so many agents elsewhere."""

    moves: int
    objective: float
    bound: float
    gain: float
    made: tuple[Move, ...]

    @property
    def gap(self) -> float:
        """How much more so many moves could gain at best."""
        return max(0.0, self.objective - self.bound)


@dataclass(frozen=True, slots=True)
class Use:
    """How a fleet is used: nodes with any agent, the most agents on one, and of each resource the
    largest part of what a node has, and the mean."""

    nodes: int
    most_agents: int
    fullest: Mapping[str, float]
    mean: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Standing:
    """A placement in numbers: the goal's terms, the use of nodes, the fleet's objectives."""

    terms: Mapping[str, float]
    use: Use
    objectives: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rebalance:
    """The curve from no move to all of them, and these in waves.

    No placement of these agents has an objective below `bound`. `why` has a reason for each move;
    `emptied` are nodes that have no agent in the end; `refused` what was left out. `blocked` agents
    would change places, two by two, if any node had room for one of them meanwhile.
    """

    goal: Goal
    start: float
    points: tuple[Point, ...]
    bound: float
    before: Standing
    after: Standing
    waves: tuple[tuple[Move, ...], ...]
    why: Mapping[Move, str]
    emptied: tuple[NodeName, ...]
    refused: tuple[Refusal, ...]
    blocked: tuple[tuple[AgentId, AgentId], ...] = ()

    @property
    def objective(self) -> float:
        """After all moves."""
        return self.points[-1].objective if self.points else self.start

    @property
    def gap(self) -> float:
        """How much of the objective could still be gained at best."""
        return max(0.0, self.objective - self.bound)

    @property
    def moves(self) -> tuple[Move, ...]:
        return tuple(move for wave in self.waves for move in wave)
