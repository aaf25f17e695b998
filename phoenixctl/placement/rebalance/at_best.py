"""What so many moves cannot gain more than."""

from __future__ import annotations

import numpy as np

from phoenixctl.placement.solver.evaluate import load
from phoenixctl.placement.solver.problem import Floats, Ints, Problem, Pull


def most_gained(problem: Problem, at: Ints, moves: int) -> Floats:
    """(K + 1,) the most that 0 to K moves take off the goal's cost, whatever rules they break but
    where agents may be. No agent brings less than nothing to a node.

    Each part is bounded on its own: the load as if agents came where they cost nothing, what
    agents miss as if each had the best of all nodes and most others for itself, the nodes in use
    as if only those counted that can be emptied.
    """
    steps = np.arange(moves + 1)
    alone = _preferring(problem, at) + _pulling(problem, at, moves)
    alone[~problem.movable] = 0.0
    return (
        _first(_unloading(problem, at), steps)
        + _first(alone, steps)
        + _emptying(problem, at, moves)
    )


def _first(gains: Floats, steps: Ints) -> Floats:
    """(K + 1,) the sums of the largest."""
    total = np.append(0.0, np.cumsum(-np.sort(-gains)))
    found: Floats = total[np.minimum(steps, gains.size)]
    return found


def _unloading(problem: Problem, at: Ints) -> Floats:
    """(M,) what one more of the movable agents takes off its node by leaving, each node's largest
    first: of every column no more than is over its cap. It falls with each that leaves."""
    hinges = problem.hinges
    over = np.maximum(load(problem, at) @ hinges.mix - hinges.soft, 0.0)
    brings = problem.need @ hinges.mix
    gains = [np.zeros(0)]
    for node in np.flatnonzero(over.any(axis=1)).tolist():
        leaving = brings[(at == node) & problem.movable]
        sums = np.cumsum(-np.sort(-leaving, axis=0), axis=0)
        saved = np.minimum(sums, over[node]) @ hinges.weight
        gains.append(np.maximum(np.diff(saved, prepend=0.0), 0.0))  # but for roundings
    return np.concatenate(gains)


def _preferring(problem: Problem, at: Ints) -> Floats:
    """(A,) what each agent could save at the node that suits it best."""
    row, prefers = problem.eligible_row[problem.group], problem.preference_row[problem.group]
    here = problem.preference[prefers, at]
    best = here.copy()
    for one, other in np.unique(np.stack([row, prefers], axis=1), axis=0).tolist():
        alike = (row == one) & (prefers == other)
        lowest = problem.preference[other, problem.eligible[one]].min(initial=np.inf)
        best[alike] = np.minimum(best[alike], lowest)
    saved: Floats = here - best
    return saved


def _pulling(problem: Problem, at: Ints, moves: int) -> Floats:
    """(A,) what each agent could save by being with others or without them."""
    gains = np.zeros(problem.agents)
    for rule in problem.pulls:
        for group in sorted({*rule.groups, *rule.others}):
            gains[problem.group == group] += _meeting(problem, at, rule, group, moves)
    return gains


def _meeting(problem: Problem, at: Ints, rule: Pull, group: int, moves: int) -> Floats:
    """What agents of one group save by one rule, each on its own with all others that move.

    A pair of two that move may be lost by both and found again by both, so that each of them may
    meet, on top of those that stay, as many as move with it, or all there are.
    """
    partners = {*(rule.others if group in rule.groups else ())}
    partners |= {*(rule.groups if group in rule.others else ())}
    domain = problem.partitions[rule.partition]
    others = np.flatnonzero(np.isin(problem.group, list(partners)))
    there = np.bincount(domain[at[others]], minlength=problem.domains(rule.partition))
    itself = int(group in partners)
    with_it = there[domain[at[problem.group == group]]] - itself
    if rule.cost > 0:
        return np.asarray(rule.cost * with_it, np.float64)
    most = min(int(there.max(initial=0)) + max(moves - 1, 0), others.size - itself)
    return np.asarray(-rule.cost * np.maximum(most - with_it, 0), np.float64)


def _emptying(problem: Problem, at: Ints, moves: int) -> Floats:
    """(K + 1,) the dearest nodes with so many agents in all, none of which has to stay."""
    best = np.zeros(moves + 1)
    count = np.bincount(at, minlength=problem.nodes)
    stays = np.bincount(at[~problem.movable], minlength=problem.nodes)
    can = (count > 0) & (count <= moves) & (stays == 0) & (problem.open_cost > 0)
    for node in np.flatnonzero(can).tolist():
        took = int(count[node])
        best[took:] = np.maximum(best[took:], best[:-took] + problem.open_cost[node])
    return best
