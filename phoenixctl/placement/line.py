"""Agents of one spec, one after the other: what they have in common is computed once, and for the
node that took one of them again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.placement.board import EVERYWHERE, Board
from phoenixctl.placement.scores.every import AFFINITY, LASTING, TERMS, Term, rounded, weights_of
from phoenixctl.placement.scores.neighbours import wishes

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools, Floats

Apart: TypeAlias = Collection[tuple[AgentId, NodeName]]
"""Agents with nodes that they must not go to."""


@dataclass(slots=True)
class Line:
    """`fits` (N,) are the nodes that take agents of the spec as far as neighbours do not matter,
    `score` (N,) is what they are worth but for the neighbours, `worth` the same, rounded, and less
    than anything where it does not fit."""

    board: Board
    like: Agent
    fits: Bools = field(init=False)
    score: Floats = field(init=False)
    worth: Floats = field(init=False)
    _lasting: Floats = field(init=False)
    _weights: list[tuple[Term, float]] = field(init=False)
    _affinity: float = field(init=False)
    _social: bool = field(init=False)
    _crowd: Floats = field(init=False)  # (N,) by agents, then by promised cpu

    def __post_init__(self) -> None:
        weights = dict(weights_of(self.like.spec, self.board.settings))
        affinity = weights.pop(AFFINITY)
        self._affinity = affinity if wishes(self.like, self.board) else 0.0
        self._social = self.board.is_social(self.like.spec)
        self._lasting = np.zeros(len(self.board.names))
        for name in LASTING.intersection(weights):
            self._lasting += weights[name] * TERMS[name](self.like, self.board, EVERYWHERE)
        self._weights = [(TERMS[name], w) for name, w in weights.items() if name not in LASTING]
        self.fits = self.board.local(self.like)
        self.score = self._score(EVERYWHERE)
        self.worth = np.where(self.fits, rounded(self.score), _NEVER)
        self._crowd = self._crowded(EVERYWHERE)

    def take(self, agent: Agent, apart: Collection[NodeName] = ()) -> NodeName | None:
        """The best node that takes the agent, promised to it."""
        found = self.best(agent, apart)
        if found is None:
            return None
        self.board.promise(agent, self.board.names[found])
        self.touched(found)
        return self.board.names[found]

    def take_all(
        self, agents: Sequence[Agent], apart: Mapping[AgentId, Collection[NodeName]]
    ) -> list[NodeName | None]:
        """The same for one after the other. As long as the next best node is better than those that
        have just taken one, as many are placed at once."""
        found: list[NodeName | None] = []
        at_once = len(agents) > 1 and not self._social and not self._affinity
        while len(found) < len(agents):
            agent = agents[len(found)]
            nodes: list[int] = []
            if at_once:
                nodes = self._next_best(agents[len(found) :], apart)
                at_once = len(nodes) > 1
            if not nodes:
                found.append(self.take(agent, apart.get(agent.id, ())))
            for node in nodes:
                self.board.promise(agents[len(found)], self.board.names[node])
                found.append(self.board.names[node])
        return found

    def best(self, agent: Agent, apart: Collection[NodeName] = ()) -> int | None:
        """The number of that node; of those that are worth the same the one with the fewest agents,
        the least promised cpu, the first name."""
        worth = self._worth(agent, apart)
        highest = worth.max(initial=_NEVER)
        if highest == _NEVER:
            return None
        nodes = (worth == highest).nonzero()[0]
        if nodes.size > 1:
            crowd = self._crowd[nodes]
            nodes = nodes[crowd == crowd.min()]
        return int(nodes[0] if nodes.size == 1 else nodes[self.board.by_name[nodes].argmin()])

    def _next_best(
        self, agents: Sequence[Agent], apart: Mapping[AgentId, Collection[NodeName]]
    ) -> list[int]:
        """The nodes of as many of these agents as go each to another one; they are taken as full
        from now on."""
        able = (self.worth > _NEVER).nonzero()[0]
        keys = self.board.by_name[able], self._crowd[able], -self.worth[able]
        nodes = able[np.lexsort(keys)][: len(agents)]
        for number, (agent, node) in enumerate(zip(agents, nodes.tolist(), strict=False)):
            if self.board.names[node] in apart.get(agent.id, ()):
                nodes = nodes[:number]
                break
        if nodes.size < 2:
            return []
        with self.board.as_if(self.like.spec, nodes):
            fits, score = self.board.local(self.like, nodes), self._score(nodes)
            crowd = self._crowded(nodes)
        worth = np.where(fits, rounded(score), _NEVER)
        better = self.worth[nodes[1:]] > np.maximum.accumulate(worth)[:-1]
        count = 1 + int(better.size if better.all() else better.argmin())
        taken = nodes[:count]
        self.fits[taken], self.score[taken] = fits[:count], score[:count]
        self.worth[taken], self._crowd[taken] = worth[:count], crowd[:count]
        found: list[int] = taken.tolist()
        return found

    def _crowded(self, at: At) -> Floats:
        found: Floats = self.board.count[at] * _AGENT + self.board.promised[at, 0]
        return found.round(4)

    def touched(self, node: int) -> None:
        """Something was promised or withdrawn on that node."""
        at = slice(node, node + 1)
        fits, score = self.board.local(self.like, at).item(), self._score(at)
        self.fits[node], self.score[node] = fits, score.item()
        self.worth[node] = rounded(score).item() if fits else _NEVER
        self._crowd[node] = self._crowded(at).item()

    def _worth(self, agent: Agent, apart: Collection[NodeName]) -> Floats:
        worth = self.worth
        if self._affinity:
            near = self._affinity * TERMS[AFFINITY](agent, self.board, EVERYWHERE)
            worth = np.where(self.fits, rounded(self.score + near), _NEVER)
        social = self.board.social(agent) if self._social else None
        if social is not None:
            worth = np.where(social, worth, _NEVER)
        if apart:
            number = self.board.number
            worth = worth.copy()
            worth[[number[name] for name in apart if name in number]] = _NEVER
        return worth

    def _score(self, at: At) -> Floats:
        found = self._lasting[at]
        for term, weight in self._weights:
            found = found + weight * term(self.like, self.board, at)
        return found


_AGENT: Final = 1e6  # more than there are cores on any node
_NEVER: Final = -np.inf
