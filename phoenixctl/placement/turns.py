"""Who gets a node first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.model.rules import Affinity
from phoenixctl.placement.board import Board
from phoenixctl.placement.labels import may_match
from phoenixctl.placement.rules import rules_of


@dataclass(frozen=True, slots=True)
class Turn:
    """The agents of one spec, in the order of their numbers."""

    spec: AgentSpec
    agents: Sequence[Agent]

    @property
    def priority(self) -> int:
        return rules_of(self.spec).priority


def turns(agents: Iterable[Agent], board: Board) -> list[Turn]:
    """The higher priority first; an agent that needs another one near after that one; then those
    that the fewest nodes take; then the largest, as small ones fill the gaps; then by name."""
    alike: dict[int, list[Agent]] = {}
    for agent in agents:
        alike.setdefault(id(agent.spec), []).append(agent)
    found = [
        Turn(group[0].spec, sorted(group, key=lambda agent: agent.ordinal))
        for group in alike.values()
    ]
    found.sort(key=lambda turn: _place(turn, board))
    return _after_their_neighbours(found)


def _place(turn: Turn, board: Board) -> tuple[object, ...]:
    takers = int(np.count_nonzero(board.local(turn.agents[0])))
    return (-turn.priority, takers, -_size(turn.spec, board), turn.spec.name)


def _size(spec: AgentSpec, board: Board) -> float:
    """The largest part of any resource of the fleet that an agent asks for."""
    there = np.where(np.isfinite(board.total), board.total, 0.0).sum(axis=0)
    need = board.need(spec)
    asked = (need > 0) & (there > 0)
    return round(float((need[asked] / there[asked]).max(initial=0.0)), 12)


def _after_their_neighbours(found: list[Turn]) -> list[Turn]:
    """The same order, but for those of one priority whose hard affinity is to a later one."""
    done: dict[str, Turn] = {}
    by_name: dict[str, list[Turn]] = {}
    for turn in found:
        by_name.setdefault(turn.spec.name, []).append(turn)
    names = {name: turns[0].spec for name, turns in by_name.items()}
    order: list[Turn] = []

    def visit(name: str, waiting: frozenset[str]) -> None:
        if name in done or name in waiting:  # two that need each other: as they stand
            return
        for near in _near(names[name], names):
            if rules_of(names[near]).priority == rules_of(names[name]).priority:
                visit(near, waiting | {name})
        done[name] = by_name[name][0]
        order.extend(by_name[name])

    for turn in found:
        visit(turn.spec.name, frozenset())
    return order


def _near(spec: AgentSpec, names: Mapping[str, AgentSpec]) -> list[str]:
    hard = [rule for rule in rules_of(spec).affinity if rule.weight is None]
    return [name for name, other in names.items() if any(_wants(rule, other) for rule in hard)]


def _wants(rule: Affinity, other: AgentSpec) -> bool:
    ids = rule.agents.ids
    named = not ids or any(agent.rpartition("-")[0] == other.name for agent in ids)
    return named and may_match(rule.agents, other.name, other.labels)
