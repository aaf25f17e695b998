"""Places for agents, found in several goes: what was promised in one counts in the next."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement
from phoenixctl.model.snapshot import (
    AgentObservation,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)
from phoenixctl.planning.expected import is_guess
from phoenixctl.planning.order import in_order, sorted_names

if TYPE_CHECKING:  # arrays are imported by plans that place something
    from phoenixctl.placement.board import Board
    from phoenixctl.placement.line import Apart

_NOWHERE: Mapping[AgentId, Sequence[NodeName]] = {}


@dataclass
class Seating:
    """`stands` are the nodes that take agents, as they are or will be."""

    fleet: Fleet
    stands: dict[NodeName, NodeObservation | NodeUnobserved]
    _waiting: Collection[AgentId] = ()
    _here: Sequence[tuple[Agent, NodeName]] = ()
    _guessed: set[NodeName] = field(default_factory=set)

    @cached_property
    def _board(self) -> Board:
        """Made when the first agent is seated: most plans have none."""
        from phoenixctl.placement.board import Board

        snapshot = Snapshot(self.fleet.name, 0.0, "", in_order(self.stands))
        board = Board.of(self.fleet, snapshot, without=self._waiting)
        for agent, node in self._here:
            if node in board.number:
                board.promise(agent, node)
        return board

    def without(self, copies: Iterable[AgentObservation]) -> None:
        """These copies end, so that they take no room."""
        ending: dict[NodeName, set[AgentId]] = {}
        for seen in copies:
            ending.setdefault(seen.node, set()).add(seen.id)
        for name, gone in ending.items():
            node = self.stands.get(name)
            if isinstance(node, NodeObservation):
                left = tuple(agent for agent in node.agents if agent.id not in gone)
                self.stands[name] = replace(node, agents=left)

    def open(self, waiting: Collection[AgentId], here: Iterable[tuple[Agent, NodeName]]) -> None:
        """Agents that will be seated do not count where they were found, but those `here` do: they
        need their place until they have gone."""
        self._waiting, self._here = waiting, list(here)

    def add(self, node: NodeObservation) -> None:
        """One more node, for those that are seated from now on."""
        if "_board" in self.__dict__:
            self._board.add(self.fleet.nodes[node.name], node)
        self.stands[node.name] = node

    def seat(
        self,
        agents: Sequence[Agent],
        *,
        homes: Mapping[AgentId, Sequence[NodeName]] = _NOWHERE,
        apart: Apart = (),
        thorough: bool = False,
    ) -> Placement:
        """Where each of them goes; it counts there from now on. `thorough`: others move or give way
        for one that finds no room."""
        if not agents:
            return Placement({}, {})
        from phoenixctl.placement.place import place_in

        found = place_in(self._board, agents, homes=homes, apart=apart, thorough=thorough)
        for agent in agents:
            node = found.assigned.get(agent.id)
            if node is not None:
                self._guess(agent, node)
        return found

    def notes(self) -> list[str]:
        if not self._guessed:
            return []
        names = ", ".join(sorted_names(self._guessed))
        return [f"{names}: capacity known after apply, so that what is placed there may not fit"]

    def _guess(self, agent: Agent, node: NodeName) -> None:
        observed = self.stands[node]
        if isinstance(observed, NodeObservation) and is_guess(observed, agent):
            self._guessed.add(node)
