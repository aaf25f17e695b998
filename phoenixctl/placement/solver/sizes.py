"""How large agents and nodes are, so that resources with different units can be compared."""

from __future__ import annotations

from typing import Final

import numpy as np

from phoenixctl.placement.solver.problem import Floats, Problem

TINY: Final = 1e-300  # added to what may be zero and is divided by


def largest(problem: Problem) -> Floats:
    """(R,) the most that a node has of what is limited; infinite where no node is."""
    finite = np.isfinite(problem.capacity)
    most = np.where(finite, problem.capacity, 0.0).max(axis=0, initial=0.0)
    full: Floats = np.where(finite.any(axis=0), np.where(most > 0, most, 1.0), np.inf)
    return full


def shares(problem: Problem) -> Floats:
    """(A,) the part of the largest node that an agent needs, of what it needs most."""
    part: Floats = (problem.need / largest(problem)).max(axis=1, initial=0.0)
    return part


def in_parts(values: Floats, full: Floats) -> Floats:
    """(..., R) parts of the largest node; nothing of what is not limited."""
    parts = np.zeros(values.shape)
    some = np.isfinite(full)
    parts[..., some] = np.minimum(values[..., some], full[some]) / full[some]
    return parts


def prices(problem: Problem) -> Floats:
    """(N,) what a node in use costs; all alike where they cost nothing."""
    if problem.open_cost.any():
        return problem.open_cost
    return np.ones(problem.nodes)
