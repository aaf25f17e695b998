"""Seats are given anew once all agents have one: who came first knew nothing of the others.

A bounded local improvement. The agent that would gain most by another node goes first; it goes
there if that gains more than it takes from the agents that were placed with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.placement.board import EVERYWHERE, Board
from phoenixctl.placement.harm import harm
from phoenixctl.placement.labels import may_match
from phoenixctl.placement.line import Line
from phoenixctl.placement.residents import Resident
from phoenixctl.placement.rules import rules_of
from phoenixctl.placement.scores.every import (
    AFFINITY,
    LASTING,
    TERMS,
    rounded,
    strategy_of,
    weights_of,
)
from phoenixctl.placement.scores.neighbours import wishes

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import Floats

SWEEPS: Final = 4
LOOKS: Final = 10_000  # at one agent on its node
ALL: Final = 10  # looks that one at a thousand nodes counts for
MOST_TOUCHED: Final = 64  # agents whose wishes a move may concern; with more it is not made
GAIN: Final = 1e-6  # what is worth a change


def reseat(
    agents: Iterable[Agent],
    assigned: dict[AgentId, NodeName],
    board: Board,
    apart: Mapping[AgentId, Collection[NodeName]],
) -> None:
    """Give some of these agents, which are `assigned` and promised on the board, a better node.

    The sum of their scores, of each by its own strategy with all others where they are, only rises.
    Everybody else stays, and no hard rule is broken further. It ends after a counted number of
    looks: the same agents get the same nodes.
    """
    # Who moves from elsewhere has room there too, and what it leaves is another one's matter.
    free = [one for one in agents if len(board.residents[one.id].nodes) == 1]
    if len(free) > 1:
        _Reseating(board, assigned, apart, sorted(free, key=lambda one: one.id)).run()


@dataclass(slots=True)
class _Reseating:
    """`here` are the agents by node, `weight` (N,) what each changing term counts for there."""

    board: Board
    assigned: dict[AgentId, NodeName]
    apart: Mapping[AgentId, Collection[NodeName]]
    agents: Sequence[Agent]
    left: int = LOOKS
    mixed: bool = False  # of several strategies
    alike: dict[int, list[Agent]] = field(default_factory=dict)
    wishing: dict[int, bool] = field(default_factory=dict)
    here: dict[int, dict[AgentId, Agent]] = field(default_factory=dict)
    weight: dict[str, Floats] = field(default_factory=dict)

    def run(self) -> None:
        for agent in self.agents:
            self.alike.setdefault(id(agent.spec), []).append(agent)
            self._count(agent, self._at(agent), 1)
        self.wishing = {spec: wishes(a[0], self.board) for spec, a in self.alike.items()}
        specs = [alike[0].spec for alike in self.alike.values()]
        self.mixed = len({strategy_of(spec, self.board.settings) for spec in specs}) > 1
        price = ALL * -(-len(self.board.names) // 1000)
        for _ in range(SWEEPS):
            gained = False
            for agent in self._worst_off()[: LOOKS // price // SWEEPS]:
                if self.left < price:
                    return
                self.left -= price
                gained |= self._moves(agent)
            if not gained:
                return

    def _worst_off(self) -> list[Agent]:
        """Those that may gain by another node, as far as can be told of all at once."""
        board, nodes = self.board, np.arange(len(self.board.names))
        lost: dict[AgentId, float] = {}
        for spec, alike in self.alike.items():
            line = Line(board, alike[0])
            value = line.score + self._taken(alike[0].spec)
            best = value[line.fits].max(initial=-np.inf)
            best += weights_of(alike[0].spec, board.settings)[AFFINITY] * self.wishing[spec]
            # What one more would make worse here, the one that is here has made worse already.
            with board.as_if(alike[0].spec, nodes):
                own = value + line.score - Line(board, alike[0]).score
            lost |= {agent.id: float(best - own[self._at(agent)]) for agent in alike}
        able = [agent for agent in self.agents if lost[agent.id] > GAIN]
        return sorted(able, key=lambda agent: (-round(lost[agent.id], 9), agent.id))

    def _moves(self, agent: Agent) -> bool:
        """Whether it has gone to another node, which is better for all of them together."""
        touched = self._touched(agent.spec)
        if len(touched) > MOST_TOUCHED:
            return False
        before, source = harm(agent.spec, self.board), self._at(agent)
        resident = self._leave(agent)
        target = self._best(agent, source)
        self._enter(agent, resident, source)
        if target is None:
            return False
        known = {
            one.id: one for node in (source, target) for one in self.here.get(node, {}).values()
        }
        known |= {one.id: one for one in (*touched, agent)}
        self.left -= 2 * len(known)
        worth = self._worth(known.values())
        self._leave(agent)
        self._enter(agent, resident, target)
        if self._worth(known.values()) > worth + GAIN and harm(agent.spec, self.board) <= before:
            return True
        self._leave(agent)
        self._enter(agent, resident, source)
        return False

    def _best(self, agent: Agent, source: int) -> int | None:
        """The node that would be best for all, if it is better than the source. Also for itself,
        where strategies differ: one does not give up what it is placed by for those that are placed
        by something else."""
        board, line = self.board, Line(self.board, agent)
        own = line.score
        if self.wishing[id(agent.spec)]:
            weight = weights_of(agent.spec, board.settings)[AFFINITY]
            own = own + weight * TERMS[AFFINITY](agent, board, EVERYWHERE)
        value, takes = rounded(own + self._taken(agent.spec)), line.fits.copy()
        if self.mixed:
            takes &= own > own[source]
        social = board.social(agent)
        if social is not None:
            takes &= social
        takes[[board.number[n] for n in self.apart.get(agent.id, ()) if n in board.number]] = False
        takes &= value > value[source] + GAIN
        nodes = np.flatnonzero(takes)
        if not nodes.size:
            return None
        return int(nodes[np.lexsort((board.by_name[nodes], -value[nodes]))[0]])

    def _taken(self, spec: AgentSpec) -> Floats:
        """(N,) what one more agent of the spec takes from those that are there; not above 0, or
        above it where they gain."""
        board, nodes = self.board, np.arange(len(self.board.names))
        like, found = Agent(spec, 0), np.zeros(len(nodes))
        for term, weight in self.weight.items():
            now = TERMS[term](like, board, EVERYWHERE)
            with board.as_if(spec, nodes):
                found += weight * (TERMS[term](like, board, EVERYWHERE) - now)
        return found

    def _worth(self, agents: Iterable[Agent]) -> float:
        """The sum of their scores, each as if it was to come where it is."""
        return sum(self._score(agent) for agent in agents)

    def _score(self, agent: Agent) -> float:
        board, node = self.board, self._at(agent)
        weights, at = weights_of(agent.spec, board.settings), slice(node, node + 1)
        if self.wishing[id(agent.spec)]:
            name = board.names[node]
            resident = board.withdraw(agent.id, name)
            found = sum(w * float(TERMS[t](agent, board, at)[0]) for t, w in weights.items())
            board.put(agent.id, resident, name)
            return found
        with board.as_if(agent.spec, np.array([node]), fewer=True):
            return sum(
                w * float(TERMS[t](agent, board, at)[0])
                for t, w in weights.items()
                if t != AFFINITY
            )

    def _touched(self, spec: AgentSpec) -> list[Agent]:
        """All that may wish for an agent of the spec to be somewhere, or not to be."""
        return [
            agent
            for kind, alike in self.alike.items()
            if self.wishing[kind] and _minds(alike[0].spec, spec)
            for agent in alike
        ]

    def _at(self, agent: Agent) -> int:
        return self.board.number[self.assigned[agent.id]]

    def _leave(self, agent: Agent) -> Resident:
        self._count(agent, self._at(agent), -1)
        return self.board.withdraw(agent.id, self.assigned[agent.id])

    def _enter(self, agent: Agent, resident: Resident, node: int) -> None:
        self.assigned[agent.id] = self.board.names[node]
        self.board.put(agent.id, resident, self.board.names[node])
        self._count(agent, node, 1)

    def _count(self, agent: Agent, node: int, sign: int) -> None:
        there = self.here.setdefault(node, {})
        if sign > 0:
            there[agent.id] = agent
        else:
            del there[agent.id]
        for term, weight in weights_of(agent.spec, self.board.settings).items():
            if term != AFFINITY and term not in LASTING:
                if term not in self.weight:
                    self.weight[term] = np.zeros(len(self.board.names))
                self.weight[term][node] += sign * weight


def _minds(spec: AgentSpec, other: AgentSpec) -> bool:
    """Whether a rule of the spec that its score knows may be about agents of the other one."""
    rules = rules_of(spec)
    if spec.name == other.name and (rules.spread or rules.redundancy):
        return True
    near = (*rules.affinity, *rules.anti_affinity)
    return any(may_match(rule.agents, other.name, other.labels) for rule in near)
