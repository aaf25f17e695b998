"""A tainted node takes only agents that tolerate the taint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.placement import Rejection
from phoenixctl.model.rules import Effect, Taint, Toleration
from phoenixctl.placement.filters.constraint import Constraint
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools, Ints
    from phoenixctl.placement.board import Board, Seat


def taints_of(seat: Seat) -> tuple[Taint, ...]:
    """The node's own and its pool's."""
    pool = seat.pool.taints if seat.pool is not None else ()
    return tuple(dict.fromkeys((*seat.node.taints, *pool)))


def minded(
    taints: Iterable[Taint], tolerations: Iterable[Toleration], effect: Effect
) -> list[Taint]:
    """The taints of one effect that an agent with these tolerations does not tolerate."""
    tolerated = {(t.key, t.value) for t in tolerations}
    return [
        taint
        for taint in taints
        if taint.effect is effect
        and (taint.key, None) not in tolerated
        and (taint.key, taint.value) not in tolerated
    ]


def free_of(agent: Agent, board: Board, effect: Effect) -> Bools | None:
    """The nodes without a taint of this effect that the agent minds; None: no node has any."""
    codes, kinds = board.memo("taints", lambda: _kinds(board))
    tolerations = rules_of(agent.spec).tolerations
    free = np.array([not minded(taints, tolerations, effect) for taints in kinds], np.bool_)
    return None if free.all() else free[codes]


def _kinds(board: Board) -> tuple[Ints, list[tuple[Taint, ...]]]:
    """Which nodes have the same taints (N,), and which those are."""
    kinds: dict[tuple[Taint, ...], int] = {}
    codes = [kinds.setdefault(taints_of(seat), len(kinds)) for seat in board.seats]
    return np.array(codes, np.int64), list(kinds)


def _mask(agent: Agent, board: Board, at: At) -> Bools | None:
    found = free_of(agent, board, Effect.KEEP_OFF)
    return None if found is None else found[at]


def _why(agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    name = board.names[node]
    spec = agent.spec
    taints = minded(taints_of(board.seats[node]), rules_of(spec).tolerations, Effect.KEEP_OFF)
    remedy = f"tolerate {{}} in agents.{spec.name}.placement.tolerations"
    return tuple(
        Rejection(name, "taint", "a node that is not tainted, or a toleration",
                  _text(taint), remedy.format(taint.key))
        for taint in taints
    )  # fmt: skip


def _text(taint: Taint) -> str:
    return f"{taint.key}={taint.value}" if taint.value else taint.key


TAINTS = Constraint("taint", _mask, _why)
