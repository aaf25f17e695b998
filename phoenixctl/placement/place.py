"""Place agents: filters say where one may go, scores which of those nodes takes it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement, Rejection
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.company import Waiting, seat_with_company
from phoenixctl.placement.greedy import Greedy, reasons
from phoenixctl.placement.line import Apart, Line
from phoenixctl.placement.preempt import make_room
from phoenixctl.placement.relocate import Movable, relocate
from phoenixctl.placement.reseat import reseat
from phoenixctl.placement.rules import rules_of
from phoenixctl.placement.turns import turns

NOWHERE: Final[Mapping[AgentId, Sequence[NodeName]]] = MappingProxyType({})
NOBODY: Final[Apart] = frozenset()


def place(
    agents: Iterable[Agent],
    fleet: Fleet,
    snapshot: Snapshot,
    *,
    homes: Mapping[AgentId, Sequence[NodeName]] = NOWHERE,
    apart: Apart = NOBODY,
) -> Placement:
    """A node for each agent; each placement counts for the next one.

    An agent goes back to the first of its `homes` that takes it, before others of its priority are
    placed. `apart` has agents with nodes that they must not go to. Agents that need each other are
    placed as one. One that fits nowhere gets a place if one other that is placed here can move for
    it, or, if it preempts, by running agents of lower priority, which are placed anew. When all
    have a place, some get another one, where that raises the sum of their scores.
    """
    waiting = tuple(agents)
    board = Board.of(fleet, snapshot, without={agent.id for agent in waiting})
    return place_in(board, waiting, homes=homes, apart=apart)


def place_in(
    board: Board,
    agents: Iterable[Agent],
    *,
    homes: Mapping[AgentId, Sequence[NodeName]] = NOWHERE,
    apart: Apart = NOBODY,
    thorough: bool = True,
) -> Placement:
    """The same on nodes on which others were placed before. What is placed is promised there.

    Unless `thorough`, nobody moves or gives way for one that finds no room.
    """
    placing = _Placing(Greedy(board, homes, _by_agent(apart)), thorough)
    placing.all(agents)
    return Placement(placing.greedy.assigned, placing.unplaced, placing.preempted)


def place_at(
    agents: Iterable[Agent], node: NodeName, fleet: Fleet, snapshot: Snapshot
) -> Placement:
    """All of them on one node of the snapshot, those that it takes; for the others all that keeps
    them off it."""
    waiting = tuple(agents)
    board = Board.of(fleet, snapshot, without={agent.id for agent in waiting})
    number = board.number[node]
    assigned: dict[AgentId, NodeName] = {}
    unplaced: dict[AgentId, tuple[Rejection, ...]] = {}
    for agent in (agent for turn in turns(waiting, board) for agent in turn.agents):
        if found := board.rejections(agent, number):
            unplaced[agent.id] = found
        else:
            board.promise(agent, node)
            assigned[agent.id] = node
    return Placement(assigned, unplaced)


@dataclass
class _Placing:
    """Priority by priority, so that who matters more never waits for who matters less."""

    greedy: Greedy
    thorough: bool
    waiting: dict[int, list[Agent]] = field(default_factory=dict)
    placed: dict[AgentId, Agent] = field(default_factory=dict)
    unplaced: dict[AgentId, tuple[Rejection, ...]] = field(default_factory=dict)
    preempted: dict[AgentId, tuple[AgentId, ...]] = field(default_factory=dict)

    def all(self, agents: Iterable[Agent]) -> None:
        for agent in agents:
            self.waiting.setdefault(rules_of(agent.spec).priority, []).append(agent)
        while self.waiting:
            self._level(self.waiting.pop(max(self.waiting)))
        # While anybody waits, what it was told has to stay true.
        if self.thorough and not self.unplaced:
            greedy = self.greedy
            reseat(self.placed.values(), greedy.assigned, greedy.board, greedy.apart)

    def _level(self, agents: Sequence[Agent]) -> None:
        order = turns(agents, self.greedy.board)
        left = self.greedy.seat(order)
        assigned, at_home = self.greedy.assigned, self.greedy.at_home
        for agent in (agent for turn in order for agent in turn.agents):
            if agent.id in assigned and agent.id not in at_home:
                self.placed[agent.id] = agent
        if left:
            self._mend(left)

    def _mend(self, left: Sequence[Agent]) -> None:
        """Places for those that found none: there may be one by now, or it can be made."""
        board, assigned = self.greedy.board, self.greedy.assigned
        hopeless: dict[Hashable, tuple[int, tuple[Rejection, ...]]] = {}
        waiting = Waiting(left, board, assigned)
        for agent in left:
            if agent.id in assigned:
                continue
            kind = None if agent.id in self.greedy.apart else board.alike(agent)
            version, same = hopeless.get(kind, (-1, ()))
            if kind is None or version != board.version:
                if self.thorough and self._late(agent, waiting):
                    continue
                same = reasons(agent, board)
                hopeless[kind] = board.version, same
            self.unplaced[agent.id] = same

    def _late(self, agent: Agent, waiting: Waiting) -> bool:
        greedy, board = self.greedy, self.greedy.board
        party = seat_with_company(agent, waiting, board, greedy.apart)
        if party is not None:
            self._take(party)
            return True
        away = greedy.apart.get(agent.id, ())
        node = Line(board, agent).take(agent, away)
        if node is not None:
            self._take([(agent, node)])
            return True
        movable = Movable.of(list(self.placed.values()), greedy.assigned, board)
        moved = relocate(agent, movable, board, greedy.apart)
        if moved is not None:
            self._take([(agent, moved.node), (moved.other, moved.to)])
            return True
        return rules_of(agent.spec).preempts and self._preempt(agent)

    def _take(self, places: Iterable[tuple[Agent, NodeName]]) -> None:
        for agent, node in places:
            self.greedy.assigned[agent.id] = node
            self.placed[agent.id] = agent
            self.unplaced.pop(agent.id, None)

    def _preempt(self, agent: Agent) -> bool:
        greedy, board = self.greedy, self.greedy.board
        room = make_room(agent, board, greedy.apart.get(agent.id, ()))
        if room is None:
            return False
        name = board.names[room.node]
        board.promise(agent, name)
        greedy.assigned[agent.id] = name
        self.preempted[agent.id] = tuple(victim.id for victim in room.victims)
        for victim in room.victims:
            self.waiting.setdefault(rules_of(victim.spec).priority, []).append(victim)
            greedy.apart[victim.id] = [*greedy.apart.get(victim.id, ()), name]
        return True


def _by_agent(apart: Apart) -> dict[AgentId, Sequence[NodeName]]:
    found: dict[AgentId, Sequence[NodeName]] = {}
    for agent, node in apart:
        found[agent] = [*found.get(agent, ()), node]
    return found
