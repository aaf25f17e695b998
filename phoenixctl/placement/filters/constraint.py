"""What a constraint is: the nodes that it lets an agent go to, and why not to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from phoenixctl.model.fleet import Agent
from phoenixctl.model.placement import Rejection

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools
    from phoenixctl.placement.board import Board

Mask: TypeAlias = "Callable[[Agent, Board, At], Bools | None]"
Why: TypeAlias = "Callable[[Agent, Board, int], tuple[Rejection, ...]]"


@dataclass(frozen=True, slots=True)
class Constraint:
    """`mask(agent, board, at)`: the nodes of `at` that it lets the agent go to, None for all.

    `why(agent, board, node)` has a rejection for each rule that keeps the agent off the node of
    that number, and none if the mask lets it in.
    """

    name: str
    mask: Mask
    why: Why
