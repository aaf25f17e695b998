"""How idle a node is: promised or in use, whichever is more, with all that was placed since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.reading import Metric

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Floats
    from phoenixctl.placement.board import Board

_CORES: Final = 4.0
_MEMORY: Final = 8.0 * 1024**3


@dataclass(frozen=True, slots=True)
class _Scale:
    """All (N, R): the part of a node that one unit is, what is in use beyond what is promised, and
    what each resource counts for in the mean."""

    unit: Floats
    beyond: Floats
    part: Floats


def balance(_agent: Agent, board: Board, at: At) -> Floats:
    """The specification's 1 - mean utilisation over cpu, memory and the named resources there."""
    found: Floats = 1.0 - utilisation(board, at)
    return found


def fullness(_agent: Agent, board: Board, at: At) -> Floats:
    """What is promised of a node, for whoever wants few nodes, however busy these are now."""
    scale = board.memo("scale", lambda: _scale(board))
    promised = np.minimum(1.0, board.load[at] * scale.unit[at])
    found: Floats = np.einsum("nr,nr->n", promised, scale.part[at])
    return found


def utilisation(board: Board, at: At) -> Floats:
    """The mean over resources, 0 to 1, with something also for agents that ask for nothing."""
    scale = board.memo("scale", lambda: _scale(board))
    used = np.minimum(1.0, board.load[at] * scale.unit[at] + scale.beyond[at])
    found: Floats = np.einsum("nr,nr->n", used, scale.part[at])
    return found


def _scale(board: Board) -> _Scale:
    known = np.isfinite(board.total)
    size = np.where(known, board.total, _middle(board.total, known))
    counts = size > 0
    counts[:, :2] = True  # cpu and memory
    unit = np.where(size > 0, 1.0 / np.where(size > 0, size, 1.0), 0.0)
    beyond = np.zeros_like(size)
    for column, metric in enumerate((Metric.CPU, Metric.MEMORY)):
        promised = board.load_at_first[:, column] * unit[:, column]
        more = np.maximum(0.0, board.measured(metric) - promised)
        seen = ~np.isnan(more)
        # One that nobody has seen yet will be used like the others.
        beyond[:, column] = np.where(seen, more, more[seen].mean() if seen.any() else 0.0)
    return _Scale(unit, beyond, counts / counts.sum(axis=1, keepdims=True))


def _middle(total: Floats, known: Floats) -> Floats:
    """What a node counts as having whose size is not known: as much as most others (R,)."""
    middle = np.zeros(total.shape[1])
    middle[:2] = _CORES, _MEMORY
    for column in range(total.shape[1]):
        sizes = total[known[:, column], column]
        if sizes.size:
            middle[column] = np.median(sizes)
    return middle
