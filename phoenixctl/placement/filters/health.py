"""A node that does not answer takes no agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent
from phoenixctl.model.placement import Rejection
from phoenixctl.model.snapshot import NodeUnobserved
from phoenixctl.placement.filters.constraint import Constraint

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools
    from phoenixctl.placement.board import Board, Seat


def _answers(seat: Seat) -> bool:
    return not isinstance(seat.observed, NodeUnobserved)


def _mask(_agent: Agent, board: Board, at: At) -> Bools | None:
    return board.marks(_answers)[at]


def _why(_agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    observed = board.seats[node].observed
    if not isinstance(observed, NodeUnobserved):
        return ()
    remedy = f"see why with: phoenixctl doctor {observed.name}"
    have = observed.error.kind
    return (Rejection(observed.name, "health", "a node that answers", have, remedy),)


HEALTH = Constraint("health", _mask, _why)
