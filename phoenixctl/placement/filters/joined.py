"""A node whose pool has a bootstrap takes agents when it has joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent
from phoenixctl.model.placement import Rejection
from phoenixctl.model.snapshot import NodeUnobserved
from phoenixctl.placement.filters.constraint import Constraint

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools
    from phoenixctl.placement.board import Board, Seat


def _prepared(seat: Seat) -> bool:
    """It has joined, or there is nothing to prepare; one that is silent has said neither."""
    if isinstance(seat.observed, NodeUnobserved) or seat.observed.joined:
        return True
    return seat.pool is None or seat.pool.bootstrap is None


def _mask(_agent: Agent, board: Board, at: At) -> Bools | None:
    return board.marks(_prepared)[at]


def _why(_agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    if _prepared(board.seats[node]):
        return ()
    remedy = "phoenixctl apply joins it"
    return (Rejection(board.names[node], "join", "a node that has joined", "not yet", remedy),)


JOINED = Constraint("join", _mask, _why)
