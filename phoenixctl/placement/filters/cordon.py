"""A cordoned node takes no new agents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent
from phoenixctl.model.placement import Rejection
from phoenixctl.model.snapshot import Cordon, NodeUnobserved
from phoenixctl.placement.filters.constraint import Constraint

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools
    from phoenixctl.placement.board import Board, Seat


def _cordon(seat: Seat) -> Cordon | None:
    return None if isinstance(seat.observed, NodeUnobserved) else seat.observed.cordon


def _open(seat: Seat) -> bool:
    return _cordon(seat) is None


def _mask(_agent: Agent, board: Board, at: At) -> Bools | None:
    return board.marks(_open)[at]


def _why(_agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    found = _cordon(board.seats[node])
    if found is None:
        return ()
    name = board.names[node]
    remedy = f"phoenixctl nodes uncordon {name}"
    return (Rejection(name, "cordon", "not cordoned", f"cordoned by {found.by}", remedy),)


CORDON = Constraint("cordon", _mask, _why)
