"""Moves of agents, and the stages of which a rebalance is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Hop(NamedTuple):
    """One agent goes from one node to another, each by its number in the problem."""

    agent: int
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Stage:
    """Hops that are worth it together, each possible when those before it are done.

    `cost` is the goal's after them, without the price of moves.
    """

    hops: tuple[Hop, ...]
    cost: float
