"""One agent after the other, each on the best node that takes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Rejection
from phoenixctl.placement.board import EVERYWHERE, Board
from phoenixctl.placement.filters.every import CONSTRAINTS
from phoenixctl.placement.line import Line
from phoenixctl.placement.turns import Turn


@dataclass
class Greedy:
    """`assigned` is promised on the board; of it those in `at_home` went back to where they were.
    `apart` has the nodes that an agent must not go to."""

    board: Board
    homes: Mapping[AgentId, Sequence[NodeName]]
    apart: dict[AgentId, Sequence[NodeName]]
    assigned: dict[AgentId, NodeName] = field(default_factory=dict)
    at_home: set[AgentId] = field(default_factory=set)

    def seat(self, turns: Sequence[Turn]) -> list[Agent]:
        """Each its place; those that found none, in their order."""
        left: list[Agent] = []
        if self.homes:
            for turn in turns:
                for agent in turn.agents:
                    self._home(agent)
        for turn in turns:
            waiting = [agent for agent in turn.agents if agent.id not in self.assigned]
            left += self._line(waiting)
        return left

    def _home(self, agent: Agent) -> None:
        for name in self.homes.get(agent.id, ()):
            number = self.board.number.get(name)
            if number is not None and self.board.open_to(agent, slice(number, number + 1))[0]:
                self.board.promise(agent, name)
                self.assigned[agent.id] = name
                self.at_home.add(agent.id)
                return

    def _line(self, agents: Sequence[Agent]) -> list[Agent]:
        if not agents:
            return []
        left: list[Agent] = []
        nodes = Line(self.board, agents[0]).take_all(agents, self.apart)
        for agent, node in zip(agents, nodes, strict=True):
            if node is None:
                left.append(agent)
            else:
                self.assigned[agent.id] = node
        return left


def reasons(agent: Agent, board: Board) -> tuple[Rejection, ...]:
    """For each node the first constraint that keeps the agent off it. One that would take it and
    did not is one that it must not go to."""
    found: dict[int, Rejection] = {}
    for constraint in CONSTRAINTS:
        mask = constraint.mask(agent, board, EVERYWHERE)
        if mask is None:
            continue
        for number in np.flatnonzero(~mask).tolist():
            if number not in found:
                found[number] = constraint.why(agent, board, number)[0]
    return tuple(_each(found, board))


def _each(found: Mapping[int, Rejection], board: Board) -> Iterator[Rejection]:
    for number, name in enumerate(board.names):
        yield found.get(number) or Rejection(name, "apart", "another node", "this one")
