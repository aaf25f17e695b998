"""How cheap a node is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.placement.labels import label_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Floats
    from phoenixctl.placement.board import Board, Seat


def price(_agent: Agent, board: Board, at: At) -> Floats:
    """The lowest price of all by the node's; 0 for one whose price is not known."""
    return board.memo("price", lambda: _price(board))[at]


def price_of(seat: Seat, board: Board) -> float | None:
    """What a node costs per hour, by the fleet's price table and the type of machine that it is."""
    kind = label_of("type", seat.node, seat.pool)
    if kind is None:
        return None
    spot = seat.pool is not None and seat.pool.aws is not None and seat.pool.aws.spot
    prices = board.fleet.prices
    return prices.get(f"spot:{kind}", prices.get(kind)) if spot else prices.get(kind)


def _price(board: Board) -> Floats:
    found = [price_of(seat, board) for seat in board.seats]
    known = [price for price in found if price is not None]
    lowest = min(known, default=0.0)
    return np.array([
        0.0 if price is None else lowest / price if price > 0 else 1.0 for price in found
    ])  # fmt: skip
