"""A resource is promised, and where it is measured used, only up to a part of what there is.

The fleet's caps hold for whatever is placed. A spec's own are about the nodes that its agents come
to; they do not keep others away later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.model.placement import Rejection
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import Cap
from phoenixctl.model.units import format_ratio
from phoenixctl.placement.filters.constraint import Constraint
from phoenixctl.placement.filters.resources import SLACK, quantity, within
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools, Floats
    from phoenixctl.placement.board import Board

UTILISATION: Final = {
    "cpu": Metric.CPU, "memory": Metric.MEMORY, "network": Metric.NETWORK, "disk": Metric.DISK,
}  # fmt: skip


def caps_of(agent: Agent, board: Board) -> Iterator[tuple[str, Cap]]:
    """The fleet's and the spec's own, each with the setting that says so."""
    for cap in board.settings.caps:
        yield f"placement.caps.{cap.resource}", cap
    for cap in rules_of(agent.spec).caps:
        yield f"agents.{agent.spec.name}.placement.caps.{cap.resource}", cap


def keeps(cap: Cap, agent: Agent, board: Board, at: At) -> Bools:
    """The nodes of `at` on which the cap still holds with the agent."""
    return _promised(cap, agent, board, at) & _measured(cap, board, at)


def ceiling(agent: Agent, board: Board) -> Floats:
    """What may be promised on each node (N, R) with this agent on it: within all hard caps."""

    def most() -> tuple[AgentSpec, Floats]:
        found = board.allowed.copy()
        for cap in _hard(agent, board):
            column = board.column(cap.resource)
            if column is not None:
                capped = cap.ratio * board.total[:, column]
                found[:, column] = np.minimum(found[:, column], capped)
        return agent.spec, found + SLACK * np.abs(found)

    return board.memo(("ceiling", id(agent.spec)), most)[1]


def _promised(cap: Cap, agent: Agent, board: Board, at: At) -> Bools:
    column = board.column(cap.resource)
    need = 0.0 if column is None else float(board.need(agent.spec)[column])
    if column is None or not need:  # it adds nothing to what is promised
        return np.ones(len(board.names), np.bool_)[at]
    limit = cap.ratio * board.total[at, column]
    return within(need, board.promised[at, column], limit)


def _measured(cap: Cap, board: Board, at: At) -> Bools:
    """Where the measured use is below the cap. What cannot be told is turned down, if what is
    promised does not tell it either."""
    if cap.resource not in UTILISATION:
        return np.ones(len(board.names), np.bool_)[at]
    used = board.measured(UTILISATION[cap.resource])[at]
    unknown = np.isnan(used)
    column = board.column(cap.resource)
    told = unknown & False if column is None else unknown & ~np.isnan(board.total[at, column])
    return (used <= cap.ratio + SLACK) | told


def _mask(agent: Agent, board: Board, at: At) -> Bools | None:
    spec = agent.spec
    _, hard = board.memo(("caps", id(spec)), lambda: (spec, _hard(agent, board)))
    found: Bools | None = None
    for cap in hard:
        kept = keeps(cap, agent, board, at)
        found = kept if found is None else found & kept
    return found


def _hard(agent: Agent, board: Board) -> list[Cap]:
    return [cap for _, cap in caps_of(agent, board) if cap.weight is None]


def _why(agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    at = slice(node, node + 1)
    found = []
    for setting, cap in caps_of(agent, board):
        if cap.weight is not None:
            continue
        if not _promised(cap, agent, board, at)[0]:
            found.append(_over_promised(setting, cap, agent, board, node))
        if not _measured(cap, board, at)[0]:
            found.append(_over_used(setting, cap, board, node))
    return tuple(found)


def _over_promised(setting: str, cap: Cap, agent: Agent, board: Board, node: int) -> Rejection:
    column = board.resources.index(cap.resource)
    total, promised = float(board.total[node, column]), float(board.promised[node, column])
    need = float(board.need(agent.spec)[column])
    free = cap.ratio * total - promised
    wanted = f"{quantity(cap.resource, need)} within {format_ratio(cap.ratio)} of {cap.resource}"
    if np.isnan(free):
        remedy = f"say what it has in nodes.{board.names[node]}.resources.{cap.resource}"
        return Rejection(board.names[node], "cap", wanted, "unknown", remedy)
    to = (promised + need) / total if total else 1.0
    remedy = f"{format_ratio(to)} in {setting}"
    by = min(1.0, (need - max(0.0, free)) / need)
    return Rejection(board.names[node], "cap", wanted, quantity(cap.resource, free), remedy, by)


def _over_used(setting: str, cap: Cap, board: Board, node: int) -> Rejection:
    used = float(board.measured(UTILISATION[cap.resource])[node])
    wanted = f"{cap.resource} in use up to {format_ratio(cap.ratio)}"
    if np.isnan(used):
        remedy = f"no cap in {setting}"
        return Rejection(board.names[node], "cap", wanted, "unknown", remedy)
    remedy = f"{format_ratio(used)} in {setting}"
    by = min(1.0, (used - cap.ratio) / max(used, SLACK))
    return Rejection(board.names[node], "cap", wanted, format_ratio(used), remedy, by)


CAPS = Constraint("cap", _mask, _why)
