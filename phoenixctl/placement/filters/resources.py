"""The sum of what agents asked for stays within what the node has and does not keep for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.model.placement import Rejection
from phoenixctl.model.units import format_bytes, format_cores
from phoenixctl.placement.capacity import CPU, MEMORY, amount
from phoenixctl.placement.filters.constraint import Constraint

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools, Floats
    from phoenixctl.placement.board import Board

SLACK: Final = 1e-9  # of what there is: more than sums of fractions may be off


def within(need: float, promised: Floats, limit: Floats) -> Bools:
    """Where what is promised and what is needed stay below the limit; not where that is unknown."""
    found: Bools = promised + need <= limit + SLACK * np.abs(limit)
    return found


def quantity(resource: str, value: float) -> str:
    """An amount as people write it."""
    if np.isnan(value):
        return "unknown"
    if resource == MEMORY:
        return format_bytes(max(0.0, value))
    return format_cores(max(0.0, value)) if resource == CPU else f"{max(0.0, value):g}"


def _mask(agent: Agent, board: Board, at: At) -> Bools | None:
    spec = agent.spec
    _, asked = board.memo(("asked", id(spec)), lambda: (spec, _asked(spec, board)))
    if asked is None:
        return np.zeros(len(board.names), np.bool_)[at]
    limit = board.memo("limit", lambda: board.allowed + SLACK * np.abs(board.allowed))
    found: Bools | None = None
    for column, need in asked:
        fits: Bools = board.promised[at, column] + need <= limit[at, column]
        found = fits if found is None else found & fits
    return found


def _asked(spec: AgentSpec, board: Board) -> list[tuple[int, float]] | None:
    """What is asked for by column; None: something of which there is nothing anywhere."""
    if not all(name in board.resources for name in spec.resources.other):
        return None
    return [(column, float(need)) for column, need in enumerate(board.need(spec)) if need]


def _why(agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    name, found = board.names[node], []
    wanted = agent.spec.resources
    for resource in (CPU, MEMORY, *sorted(wanted.other)):
        need = amount(wanted, resource) or 0.0
        if not need:
            continue
        column = board.column(resource)
        free = 0.0
        if column is not None:
            limit, promised = board.allowed[node, column], board.promised[node, column]
            if within(need, promised, limit):
                continue
            free = float(limit - promised)
        short = need - max(0.0, free)
        remedy, by = f"say what it has in nodes.{name}.resources.{resource}", 1.0
        if not np.isnan(free):
            remedy = f"ask for {quantity(resource, short)} less {resource}, or free so much there"
            by = min(1.0, short / need)
        found.append(
            Rejection(
                name, resource, quantity(resource, need), quantity(resource, free), remedy, by
            )
        )
    return tuple(found)


RESOURCES = Constraint("resources", _mask, _why)
