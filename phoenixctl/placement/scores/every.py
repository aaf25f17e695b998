"""All scores, and what each strategy makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.model.rules import PlacementSettings, Strategy
from phoenixctl.placement.rules import rules_of
from phoenixctl.placement.scores.balance import balance, fullness
from phoenixctl.placement.scores.fit import fit
from phoenixctl.placement.scores.neighbours import neighbours
from phoenixctl.placement.scores.performance import latency, performance
from phoenixctl.placement.scores.price import price

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Floats
    from phoenixctl.placement.board import Board

Term: TypeAlias = "Callable[[Agent, Board, At], Floats]"


def few(_agent: Agent, board: Board, at: At) -> Floats:
    """The fewer agents are there, the better: 1 for none, 1/2 for one."""
    found: Floats = 1.0 / (1.0 + board.count[at].astype(np.float64))
    return found


AFFINITY: Final = "affinity"
TERMS: Final[Mapping[str, Term]] = MappingProxyType(
    {
        "resources": fit,
        AFFINITY: neighbours,
        "balance": balance,
        "performance": performance,
        "latency": latency,
        "price": price,
        "fullness": fullness,
        "few agents": few,
    }
)
# What is there from the start; the others change on a node when an agent is placed there, and
# affinity may change everywhere.
LASTING: Final = frozenset({"resources", "performance", "latency", "price"})

# What a spec would like comes before all else; the last one decides where the others say the same.
_STRATEGIES: Final[Mapping[Strategy, Mapping[str, float]]] = MappingProxyType(
    {
        Strategy.SPREAD: {AFFINITY: 1.0, "few agents": 0.1},
        Strategy.PACK: {AFFINITY: 1.0, "fullness": 0.1},
        Strategy.LATENCY_AWARE: {AFFINITY: 1.0, "latency": 0.1, "few agents": 1e-5},
        Strategy.COST: {AFFINITY: 1.0, "price": 0.1, "fullness": 1e-5},
    }
)


@dataclass(frozen=True, slots=True)
class Scores:
    """How all nodes (N,) suit an agent, by term from 0 to 1, and in all; higher is better."""

    weights: Mapping[str, float]
    terms: Mapping[str, Floats]
    total: Floats


def strategy_of(spec: AgentSpec, settings: PlacementSettings) -> Strategy:
    return rules_of(spec).strategy or settings.strategy


def weights_of(spec: AgentSpec, settings: PlacementSettings) -> Mapping[str, float]:
    """What each term counts for with this spec."""
    strategy = strategy_of(spec, settings)
    if strategy is not Strategy.RESOURCE_AWARE:
        return _STRATEGIES[strategy]
    weights = settings.weights
    return {
        "resources": weights.resources,
        AFFINITY: weights.affinity,
        "balance": weights.balance,
        "performance": weights.performance,
    }


def scores(agent: Agent, board: Board) -> Scores:
    """Every term for every node, also for those that do not take the agent."""
    weights = weights_of(agent.spec, board.settings)
    everywhere = slice(None)
    terms = {name: TERMS[name](agent, board, everywhere) for name in weights}
    total = sum((weights[name] * terms[name] for name in terms), np.zeros(len(board.names)))
    return Scores(weights, terms, rounded(total))


def rounded(score: Floats) -> Floats:
    """Without what only the order of a sum decides."""
    return score.round(9)
