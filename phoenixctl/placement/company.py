"""Agents that need each other: none of them finds a place alone, so they are placed as one."""

from __future__ import annotations

from collections import deque
from collections.abc import (
    Collection,
    Container,
    Hashable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.rules import NODE, Affinity
from phoenixctl.placement.board import EVERYWHERE, Board
from phoenixctl.placement.filters.affinity import AFFINITY, together
from phoenixctl.placement.filters.every import SOCIAL
from phoenixctl.placement.labels import matches
from phoenixctl.placement.line import Line
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import Bools

MOST_TRIED: Final = 64  # nodes for the first of them, the best first
MOST_BESIDE: Final = 8  # nodes for one that comes to it


class Waiting:
    """Those that have no place yet, in their order by what rules say of them."""

    def __init__(self, agents: Iterable[Agent], board: Board, assigned: Container[AgentId]) -> None:
        self._assigned = assigned
        self._kinds: dict[Hashable, deque[Agent]] = {}
        for agent in agents:
            kind = board.alike(agent)
            own = agent.id if kind is None else kind
            self._kinds.setdefault(own, deque()).append(agent)

    def one_of_each(self, seated: Container[AgentId]) -> Iterator[Agent]:
        """The first of each kind, without these."""
        for alike in self._kinds.values():
            while alike and alike[0].id in self._assigned:
                alike.popleft()
            free = (a for a in alike if a.id not in self._assigned and a.id not in seated)
            yield from islice(free, 1)


def seat_with_company(
    agent: Agent,
    waiting: Waiting,
    board: Board,
    apart: Mapping[AgentId, Sequence[NodeName]],
) -> list[tuple[Agent, NodeName]] | None:
    """Places for an agent and as many of those that wait as it takes for all their hard affinities
    to be met; all promised, or nothing changed."""
    party = _Party(board, waiting, apart)
    for node in party.best_for(agent, MOST_TRIED):
        if party.joins(agent, node) and party.is_content():
            return [(one, board.names[number]) for one, number in party.seats.values()]
        party.leave(party.seats)
    return None


@dataclass
class _Party:
    """Those who have a seat for now, each with the number of its node."""

    board: Board
    waiting: Waiting
    apart: Mapping[AgentId, Sequence[NodeName]]
    seats: dict[AgentId, tuple[Agent, int]] = field(default_factory=dict)

    def joins(self, agent: Agent, node: int) -> bool:
        """Whether it has a seat there, and whom it needs one near; or nothing changed."""
        before = set(self.seats)
        self.board.promise(agent, self.board.names[node])
        self.seats[agent.id] = agent, node
        for rule in self._missed(agent):
            beside = self.board.domains(rule.within)
            near: Bools = beside.codes == beside.codes[node]
            if self._is_met(rule, agent, node) or self._brings(rule, agent, near):
                continue
            self.leave([one for one in self.seats if one not in before])
            return False
        return True

    def leave(self, agents: Collection[AgentId]) -> None:
        for agent in tuple(agents):
            _, node = self.seats.pop(agent)
            self.board.withdraw(agent, self.board.names[node])

    def is_content(self) -> bool:
        """Whether every constraint lets each of them in, now that the others are there."""
        for agent, node in self.seats.values():
            name = self.board.names[node]
            resident = self.board.withdraw(agent.id, name)
            content = bool(self.board.open_to(agent, slice(node, node + 1))[0])
            self.board.put(agent.id, resident, name)
            if not content:
                return False
        return True

    def best_for(self, agent: Agent, most: int, near: Bools | None = None) -> list[int]:
        """Nodes that take it but for its affinity, and may take whom it needs; the best first."""
        board = self.board
        missed = list(self._missed(agent))
        if near is None and not missed:
            return []  # whatever it is that keeps it away, it is not that it is alone
        takes = board.local(agent) & self._at_ease(agent)
        if near is not None:
            takes &= near
        for rule in missed:
            takes &= self._roomy(rule, agent)
        away = [board.number[n] for n in self.apart.get(agent.id, ()) if n in board.number]
        takes[away] = False
        nodes = np.flatnonzero(takes)
        if not nodes.size:
            return []
        worth = Line(board, agent).worth[nodes]
        found: list[int] = nodes[np.lexsort((board.by_name[nodes], -worth))][:most].tolist()
        return found

    def _brings(self, rule: Affinity, agent: Agent, near: Bools) -> bool:
        """Whether one of those that the rule asks for has a seat near, now."""
        return any(
            self.joins(other, node)
            for other in self._asked_for(rule, agent)
            for node in self.best_for(other, MOST_BESIDE, near)
        )

    def _asked_for(self, rule: Affinity, agent: Agent) -> Iterator[Agent]:
        """Of those that wait, one of each kind."""
        seated = {agent.id, *self.seats}
        for other in self.waiting.one_of_each(seated):
            spec = other.spec
            if matches(rule.agents, other.id, spec.name, spec.labels):
                yield other

    def _missed(self, agent: Agent) -> Iterator[Affinity]:
        """Its hard rules that are not met everywhere where the label is."""
        for rule in rules_of(agent.spec).affinity:
            if rule.weight is None and not together(rule, agent, self.board)[:-1].all():
                yield rule

    def _is_met(self, rule: Affinity, agent: Agent, node: int) -> bool:
        code = self.board.domains(rule.within).codes[node]
        return bool(together(rule, agent, self.board)[code])

    def _at_ease(self, agent: Agent) -> Bools:
        """The nodes where all other neighbours are as the rules want."""
        masks = [
            mask
            for each in SOCIAL
            if each is not AFFINITY
            and (mask := each.mask(agent, self.board, EVERYWHERE)) is not None
        ]
        return reduce(np.logical_and, masks, np.ones(len(self.board.names), np.bool_))

    def _roomy(self, rule: Affinity, agent: Agent) -> Bools:
        """The nodes in whose domain the rule is met, or that may take one that it asks for."""
        board, domains = self.board, self.board.domains(rule.within)
        takes = np.zeros(len(board.names), np.bool_)
        everywhere = np.arange(takes.size if rule.within == NODE else 0)
        with board.as_if(agent.spec, everywhere):  # on one node both have to fit
            for other in self._asked_for(rule, agent):
                takes |= board.local(other)
        able = together(rule, agent, board)
        able[domains.codes[takes]] = True
        able[-1] = False
        return domains.of(able, EVERYWHERE)
