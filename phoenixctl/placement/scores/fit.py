"""How tightly an agent fits: small nodes for small agents, so that large ones keep their room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phoenixctl.model.fleet import Agent

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Floats
    from phoenixctl.placement.board import Board


def fit(agent: Agent, board: Board, at: At) -> Floats:
    """The specification's mean of min(1, required / available) over the resources asked for; 1 when
    none is.

    Available is what the node had left before this run: measured against what is left now, the
    fuller of two nodes that are alike would be the better one.
    """
    need = board.need(agent.spec)
    asked = need.nonzero()[0]
    free = board.free_at_first[at]
    if not asked.size:
        return np.ones(len(free))
    left = free[:, asked]
    there = left > 0  # not where it is unknown
    ratios = np.where(there, np.minimum(1.0, need[asked] / np.where(there, left, 1.0)), 0.0)
    found: Floats = ratios.mean(axis=1)
    return found
