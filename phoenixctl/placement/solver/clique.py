"""Agents no two of which can be on one node: each needs one of its own."""

from __future__ import annotations

from typing import Final

import numpy as np

from phoenixctl.placement.solver.covers import SLACK, limited
from phoenixctl.placement.solver.problem import Bools, Floats, Ints, Problem
from phoenixctl.placement.solver.sizes import shares

LOOKED_AT: Final = 1500  # agents, the largest


def clique(problem: Problem, agents: Ints, capacity: Floats) -> Ints:
    """Some of these agents, as many as are quickly found, that exclude each other on every node.

    By rules, or because no node of those with `capacity` (N, R) holds both.
    """
    scarce = limited(problem.need[agents], capacity)
    largest_first = np.lexsort((agents, -shares(problem)[agents]))
    agents = np.sort(agents[largest_first[:LOOKED_AT]])
    excludes = _by_size(problem.need[agents][:, scarce], capacity[:, scarce])
    excludes |= _by_rule(problem, agents)
    np.fill_diagonal(excludes, val=False)
    free = np.ones(agents.size, np.bool_)
    chosen: list[int] = []
    # Who excludes most others leaves most of them for later.
    for one in np.argsort(-excludes.sum(axis=1), kind="stable"):
        if free[one]:
            chosen.append(int(one))
            free &= excludes[one]
    return agents[chosen]


def _by_size(need: Floats, capacity: Floats) -> Bools:
    """(A, A) whose needs together are above the most that any node has of a resource."""
    most = capacity.max(axis=0, initial=0.0) * (1 + SLACK)
    excludes = np.zeros((need.shape[0], need.shape[0]), np.bool_)
    for of_resource, limit in zip(need.T, most, strict=True):
        excludes |= of_resource[:, None] + of_resource > limit
    return excludes


def _by_rule(problem: Problem, agents: Ints) -> Bools:
    """(A, A) who must not share a domain, and so not a node."""
    excludes = np.zeros((agents.size, agents.size), np.bool_)
    group = problem.group[agents]
    for rule in problem.apart:
        ours = np.flatnonzero(np.isin(group, rule.groups))
        theirs = np.flatnonzero(np.isin(group, rule.others))
        excludes[np.ix_(ours, theirs)] = True
        excludes[np.ix_(theirs, ours)] = True
    return excludes
