"""How much of what a spec would like of a node and of its neighbours it finds there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.rules import Effect
from phoenixctl.placement.filters.affinity import together
from phoenixctl.placement.filters.anti_affinity import apart
from phoenixctl.placement.filters.caps import caps_of, keeps
from phoenixctl.placement.filters.redundancy import redundant
from phoenixctl.placement.filters.selector import meets
from phoenixctl.placement.filters.spread import even
from phoenixctl.placement.filters.taints import free_of
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools, Floats
    from phoenixctl.placement.board import Board


def neighbours(agent: Agent, board: Board, at: At) -> Floats:
    """The weighted part of the soft rules, and of the hard affinities, that are met; 0.5 when there
    are none (the specification's, which has affinities alone)."""
    score = np.zeros(len(board.names))[at]
    weights = 0.0
    for weight, met in _wishes(agent, board, at):
        score += weight * met
        weights += weight
    return score / weights if weights else score + 0.5


def wishes(agent: Agent, board: Board) -> bool:
    """Whether the score is not the same everywhere and forever."""
    rules = rules_of(agent.spec)
    weights = [wanted.weight for wanted in rules.selector]
    weights += [rule.weight for rule in rules.anti_affinity]
    weights += [rule.weight for rule in rules.spread]
    weights += [rule.weight for rule in rules.redundancy]
    weights += [cap.weight for _, cap in caps_of(agent, board)]
    if rules.affinity or any(weight is not None for weight in weights):
        return True
    return free_of(agent, board, Effect.AVOID) is not None


def _wishes(agent: Agent, board: Board, at: At) -> Iterator[tuple[float, Bools]]:
    rules = rules_of(agent.spec)
    for wanted in rules.selector:
        if wanted.weight is not None:
            yield wanted.weight, meets(wanted, board)[at]
    for near in rules.affinity:
        weight = 1.0 if near.weight is None else near.weight
        yield weight, board.domains(near.within).of(together(near, agent, board), at)
    for far in rules.anti_affinity:
        if far.weight is not None:
            alone = apart(far.agents, far.within, agent, board)
            yield far.weight, board.domains(far.within).of(alone, at)
    for spread in rules.spread:
        if spread.weight is not None:
            balanced = even(spread, agent, board)
            yield spread.weight, board.domains(spread.across).of(balanced, at)
    for spare in rules.redundancy:
        if spare.weight is not None:
            wide = redundant(spare, agent, board)
            yield spare.weight, board.domains(spare.across).of(wide, at)
    for _, cap in caps_of(agent, board):
        if cap.weight is not None:
            yield cap.weight, keeps(cap, agent, board, at)
    untainted = free_of(agent, board, Effect.AVOID)
    if untainted is not None:
        yield 1.0, untainted[at]
