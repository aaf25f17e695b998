"""Room for an agent by moving one other that is placed in the same run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.placement.board import Board
from phoenixctl.placement.filters.caps import ceiling
from phoenixctl.placement.harm import harm
from phoenixctl.placement.line import Line

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import Floats, Ints

MOST_TRIED: Final = 64  # of the others, the smallest first


@dataclass(frozen=True, slots=True)
class Movable:
    """P agents that were placed in this run, with the numbers (P,) of their nodes and what they
    need (P, R)."""

    agents: Sequence[Agent]
    nodes: Ints
    needs: Floats

    @classmethod
    def of(
        cls, agents: Sequence[Agent], assigned: Mapping[AgentId, NodeName], board: Board
    ) -> Movable:
        nodes = [board.number[assigned[agent.id]] for agent in agents]
        needs = [board.need(agent.spec) for agent in agents]
        shape = (len(agents), len(board.resources))
        return cls(agents, np.array(nodes, np.int64), np.array(needs).reshape(shape))


@dataclass(frozen=True, slots=True)
class Relocation:
    """The agent goes to `node`, for which `other` goes `to` another one."""

    node: NodeName
    other: Agent
    to: NodeName


def relocate(
    agent: Agent,
    movable: Movable,
    board: Board,
    apart: Mapping[AgentId, Sequence[NodeName]],
) -> Relocation | None:
    """Both promised, or nothing changed."""
    for number in _worth_trying(agent, movable, board, apart.get(agent.id, ())):
        other, node = movable.agents[number], int(movable.nodes[number])
        found = _tried(agent, other, node, board, apart.get(other.id, ()))
        if found is not None:
            return found
    return None


def _worth_trying(
    agent: Agent, movable: Movable, board: Board, away: Sequence[NodeName]
) -> list[int]:
    """Those without which the agent has room on their node, the smallest first."""
    if not movable.agents:
        return []
    spec = agent.spec
    nodes = movable.nodes
    free = (ceiling(agent, board) - board.promised)[nodes] + movable.needs
    need = board.need(spec)
    asked = need > 0
    able = board.lasting(spec)[nodes] & (free[:, asked] >= need[asked]).all(axis=1)
    able &= ~np.isin(nodes, [board.number[name] for name in away if name in board.number])
    size = (movable.needs / np.maximum(movable.needs.max(axis=0), 1e-12)).max(axis=1)
    found = np.flatnonzero(able)
    return [int(n) for n in found[np.argsort(size[found], kind="stable")][:MOST_TRIED]]


def _tried(
    agent: Agent, other: Agent, node: int, board: Board, away: Sequence[NodeName]
) -> Relocation | None:
    name = board.names[node]
    before = harm(other.spec, board)
    resident = board.withdraw(other.id, name)
    if board.open_to(agent, slice(node, node + 1))[0]:
        board.promise(agent, name)
        best = Line(board, other).best(other, [*away, name])
        if best is not None:
            to = board.names[best]
            board.put(other.id, resident, to)
            if harm(other.spec, board) <= before:
                return Relocation(name, other, to)
            board.withdraw(other.id, to)
        board.withdraw(agent.id, name)
    board.put(other.id, resident, name)
    return None
