"""What no placement can be better than, and what can never be placed.

Bounds hold for placements of all agents that break nothing.
"""

from __future__ import annotations

import numpy as np

from phoenixctl.placement.solver.clique import clique
from phoenixctl.placement.solver.covers import Cover, Demand, cover, of_number
from phoenixctl.placement.solver.problem import NOWHERE, Bools, Floats, Ints, Problem, Pull


def bound(problem: Problem) -> float:
    """No placement costs less.

    Each part is bounded on its own: the load as if it could be divided freely between nodes, each
    agent's preference at its best node, every pair that attracts each other as met, the nodes in
    use by the cheapest that could hold what is needed. Costs of moves must not be below zero.
    """
    pairs = sum(min(0.0, rule.cost) * _pairs(problem, rule) for rule in problem.pulls)
    opened = price_needed(problem, problem.open_cost)
    return _least_load(problem) + _least_standing(problem) + opened + pairs


def nodes_needed(problem: Problem) -> int:
    """No placement uses fewer nodes."""
    return int(_paid(problem).sum()) + _needed(problem, problem.open_cost).nodes


def price_needed(problem: Problem, price: Floats) -> float:
    """No placement uses nodes that cost less together, at these prices (N,)."""
    return float(price[_paid(problem)].sum()) + _needed(problem, price).price


def hopeless(problem: Problem) -> Ints:
    """Agents that no node could take if it were empty, and had no rules."""
    fits = np.zeros(problem.agents, np.bool_)
    allowed = _allowed(problem)
    for node in range(problem.nodes):
        room = (problem.need <= problem.capacity[node] * (1 + 1e-12)).all(axis=1)
        fits |= room & (allowed[_row(problem), node] | (problem.home == node))
    return np.flatnonzero(~fits)


def shortage(problem: Problem) -> Floats:
    """(R,) how much more all agents need than all nodes have; above zero not all can be placed."""
    missing = problem.need.sum(axis=0) - problem.capacity.sum(axis=0)
    short: Floats = np.maximum(missing, 0.0)
    return short


def _needed(problem: Problem, price: Floats) -> Cover:
    """Nodes and their price on top of those with agents that stay, summed over separate parts."""
    total = Cover(0, 0.0)
    allowed = _allowed(problem)
    for rows, nodes in _parts(problem, allowed):
        least = _least_of(problem, rows, nodes, price)
        if len(rows) > 1:
            for row in rows:
                least = least.or_more(_least_of(problem, [row], allowed[row], price))
        total = total + least
    return total


def _least_of(problem: Problem, rows: list[int], usable: Bools, price: Floats) -> Cover:
    """What the agents of these rows need of the nodes that they could use."""
    agents = np.flatnonzero(np.isin(_row(problem), rows))
    fixed = _fixed(problem)
    room = problem.capacity.copy()
    np.subtract.at(room, problem.home[fixed], problem.need[fixed])
    need = problem.need[agents[~fixed[agents]]]
    paid = _paid(problem)[usable]
    demand = Demand(need, np.maximum(room[usable], 0.0), price[usable], paid)
    alone = clique(problem, agents, problem.capacity[usable])
    return cover(demand).or_more(of_number(demand, alone.size))


def _parts(problem: Problem, allowed: Bools) -> list[tuple[list[int], Bools]]:
    """Rows with the nodes of their agents; no node is in two parts."""
    parts: list[tuple[list[int], Bools]] = []
    for row in np.unique(_row(problem)).tolist():
        rows, nodes = [row], allowed[row]
        apart: list[tuple[list[int], Bools]] = []
        for others, theirs in parts:
            if (nodes & theirs).any():
                rows, nodes = [*others, *rows], nodes | theirs
            else:
                apart.append((others, theirs))
        parts = [*apart, (rows, nodes)]
    return parts


def _row(problem: Problem) -> Ints:
    """(A,) the row of `eligible` that says where an agent may go."""
    return problem.eligible_row[problem.group]


def _allowed(problem: Problem) -> Bools:
    """(E, N) where agents of a row could be: who is at home may stay, though not let in there."""
    allowed = problem.eligible.copy()
    at_home = np.flatnonzero(problem.home != NOWHERE)
    allowed[_row(problem)[at_home], problem.home[at_home]] = True
    return allowed


def _fixed(problem: Problem) -> Bools:
    """(A,) who stays at home."""
    fixed: Bools = ~problem.movable & (problem.home != NOWHERE)
    return fixed


def _paid(problem: Problem) -> Bools:
    """(N,) which nodes are in use anyhow, by agents that stay there."""
    paid = np.zeros(problem.nodes, np.bool_)
    paid[problem.home[_fixed(problem)]] = True
    return paid


def _least_load(problem: Problem) -> float:
    hinges = problem.hinges
    total = (problem.need @ hinges.mix).sum(axis=0)
    over = np.maximum(total - hinges.soft.sum(axis=0), 0.0)
    return float(np.where(hinges.weight > 0, over, 0.0) @ hinges.weight)


def _least_standing(problem: Problem) -> float:
    """The best node of each agent by preference, its home if it stays there."""
    if not problem.preference.any():
        return 0.0
    allowed, fixed = _allowed(problem), _fixed(problem)
    prefers = problem.preference_row[problem.group]
    rows = np.stack([_row(problem), prefers], axis=1)[~fixed]
    total = float(problem.preference[prefers[fixed], problem.home[fixed]].sum())
    for (row, preference), count in zip(*np.unique(rows, axis=0, return_counts=True), strict=True):
        best = problem.preference[preference, allowed[row]].min(initial=np.inf)
        total += float(best * count) if np.isfinite(best) else 0.0
    return total


def _pairs(problem: Problem, rule: Pull) -> int:
    """How many pairs there are that could meet."""
    count = np.bincount(problem.group, minlength=problem.groups)
    both = {(min(a, b), max(a, b)) for a in rule.groups for b in rule.others}
    return sum(
        int(count[one] * (count[one] - 1) // 2 if one == other else count[one] * count[other])
        for one, other in both
    )
