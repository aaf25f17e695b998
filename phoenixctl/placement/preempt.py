"""Room for an agent that matters more, where agents run that matter less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.placement.board import Board
from phoenixctl.placement.filters.caps import ceiling
from phoenixctl.placement.harm import harm
from phoenixctl.placement.residents import Resident
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Victim:
    """A running agent that may have to give way."""

    agent: Agent
    priority: int
    resident: Resident
    need: Floats  # (A,) of what the other one asks for

    @property
    def rank(self) -> tuple[int, str, int]:
        return self.priority, self.agent.spec.name, self.agent.ordinal


@dataclass(frozen=True, slots=True)
class Room:
    """A node, by its number, and who has left it. Nobody has the room yet."""

    node: int
    victims: tuple[Agent, ...]


def make_room(agent: Agent, board: Board, away: Collection[NodeName] = ()) -> Room | None:
    """Take as few agents as will do, of the lowest priority, off one node that is none of
    `away`; or change nothing.

    No more of a spec go than its rollout allows to be down, and no hard rule is broken by it.
    """
    need = board.need(agent.spec)
    asked = np.flatnonzero(need)
    by_node = _victims(agent, board, asked)
    lacking = (board.promised + need - ceiling(agent, board))[:, asked]
    able = board.lasting(agent.spec)
    chosen = [
        (len(picked), [v.priority for v in picked], board.names[node], node, picked)
        for node, there in by_node.items()
        if able[node]
        and board.names[node] not in away
        and (picked := _picked(there, lacking[node], board))
    ]
    for *_, node, picked in sorted(chosen, key=lambda choice: choice[:3]):
        if _taken(agent, node, picked, board):
            return Room(node, tuple(v.agent for v in picked))
    return None


def _victims(agent: Agent, board: Board, asked: Ints) -> dict[int, list[Victim]]:
    """By node, those of lower priority that run there and nowhere else."""
    limit = rules_of(agent.spec).priority
    found: dict[int, list[Victim]] = {}
    for spec in board.fleet.agents.values():
        priority = rules_of(spec).priority
        if priority >= limit or not _may_go(spec, board):
            continue
        for name, resident in board.who.of_spec(spec.name).items():
            if resident.running and len(resident.nodes) == 1:
                victim = Agent(spec, int(name.rpartition("-")[2]))
                there = found.setdefault(resident.nodes[0], [])
                there.append(Victim(victim, priority, resident, resident.need[asked]))
    return found


def _may_go(spec: AgentSpec, board: Board) -> int:
    """How many more of its agents may be down."""
    rollout, total = spec.rollout, spec.replicas
    allowed = min(rollout.max_unavailable.of(total), total - rollout.min_healthy.of(total))
    up = sum(resident.running for resident in board.who.of_spec(spec.name).values())
    return max(0, allowed - max(0, total - up))


def _picked(there: Iterable[Victim], lacking: Floats, board: Board) -> list[Victim]:
    """The fewest that free what is lacking, then the lowest; none if they do not. The highest
    priority comes first."""
    if not (lacking <= np.inf).all():  # not known how much
        return []
    ranked = sorted(there, key=lambda victim: victim.rank)
    alone = next((victim for victim in ranked if (victim.need >= lacking).all()), None)
    if alone is not None:
        return [alone] if (lacking > 0).any() else []
    short = np.maximum(lacking, 0.0)
    picked: list[Victim] = []
    taken: Counter[str] = Counter()
    while (short > 0).any() and ranked:
        gains = [float((np.minimum(v.need, short)[short > 0] / short[short > 0]).sum())
                 for v in ranked]  # fmt: skip
        victim = ranked.pop(int(np.argmax(gains)))
        name = victim.agent.spec.name
        if max(gains) > 0 and taken[name] < _may_go(victim.agent.spec, board):
            taken[name] += 1
            picked.append(victim)
            short = np.maximum(short - victim.need, 0.0)
    return _needed(picked, lacking) if not (short > 0).any() else []


def _needed(picked: Sequence[Victim], lacking: Floats) -> list[Victim]:
    """Without those that a later choice made superfluous, the highest priority spared first."""
    kept = sorted(picked, key=lambda victim: victim.rank, reverse=True)
    for victim in tuple(kept):
        rest = [other for other in kept if other is not victim]
        if rest and (sum(other.need for other in rest) >= lacking).all():
            kept = rest
    return kept


def _taken(agent: Agent, node: int, picked: Sequence[Victim], board: Board) -> bool:
    """Whether the agent can go there when they have left; else they are there again."""
    name = board.names[node]
    specs = {victim.agent.spec.name: victim.agent.spec for victim in picked}
    before = {kind: harm(spec, board) for kind, spec in specs.items()}
    gone: list[tuple[AgentId, Resident]] = []
    for victim in picked:
        gone.append((victim.agent.id, board.withdraw(victim.agent.id, name)))
    unharmed = all(harm(spec, board) <= before[kind] for kind, spec in specs.items())
    if unharmed and board.open_to(agent, slice(node, node + 1))[0]:
        return True
    for one, resident in reversed(gone):
        board.put(one, resident, name)
    return False
