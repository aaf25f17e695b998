"""Agents that fit nowhere as things stand: others move on for them, or less important ones stop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from phoenixctl.placement.solver.problem import NOWHERE
from phoenixctl.placement.solver.sizes import shares
from phoenixctl.placement.solver.state import Move, State

TRIED: Final = 64  # agents, or nodes, asked to make room for one
CHOICES: Final = 4  # nodes that each of them may go to


def insert(state: State, agents: Iterable[int]) -> tuple[int, ...]:
    """Place agents that are nowhere, each with at most one other moved; returns who is left.

    The dearest first. Of the pairs tried the cheapest is taken.
    """
    cost = state.problem.unplaced_cost
    ordered = sorted(agents, key=lambda agent: (-cost[agent], agent))
    return tuple(agent for agent in ordered if not _placed(state, agent))


def preempt(state: State, agents: Iterable[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Place agents that are nowhere in the place of cheaper ones, which are nowhere then.

    Returns who is left and who was stopped. An agent only stops others that each cost less, and
    less together, than itself; on the node where they cost least.
    """
    cost = state.problem.unplaced_cost
    left: list[int] = []
    stopped: list[int] = []
    for agent in sorted(agents, key=lambda agent: (-cost[agent], agent)):
        victims = _stop_for(state, agent)
        if victims is None:
            left.append(agent)
        else:
            stopped += victims
    return tuple(left), tuple(stopped)


def _placed(state: State, agent: int) -> bool:
    for node in _where_to(state, agent):
        if state.change([(agent, node)]) is not None:
            return True
    for other, source in _who_could_leave(state, agent):
        for node in _where_to(state, other):
            if state.change([(other, node), (agent, source)]) is not None:
                return True
    return False


def _who_could_leave(state: State, agent: int) -> list[tuple[int, int]]:
    """Agents with their nodes, on which the agent fits when they are gone; the smallest first."""
    figures = state.figures
    at = state.at[:-1]
    others = np.flatnonzero((at != NOWHERE) & figures.movable[:-1])
    asked = np.full(others.shape, agent)
    possible = ~figures.ineligible(asked, at[others]) & state.fits(at[others], others, asked)
    others = others[possible]
    # Where a rule keeps the agent away, only one that the rule is about could help.
    barred = state.rules.barred(
        figures.group[asked[possible]], state.at[asked[possible]], at[others]
    )
    first = np.lexsort((others, shares(state.problem)[others], barred))[:TRIED]
    return list(zip(others[first].tolist(), at[others[first]].tolist(), strict=True))


def _where_to(state: State, agent: int) -> list[int]:
    """The nodes that take an agent from where it is, those that cost least first."""
    figures, source = state.figures, state.at[agent]
    nodes = np.flatnonzero(np.arange(state.problem.nodes) != source)
    agents = np.full(nodes.shape, agent)
    nobody = np.full(nodes.shape, figures.nobody)
    taken = state.fits(nodes, nobody, agents) & ~figures.ineligible(agents, nodes)
    taken &= ~state.rules.barred(figures.group[agents], np.full(nodes.shape, source), nodes)
    cost = state.load_change(nodes, nobody, agents) + figures.standing(agents, nodes)
    order = np.lexsort((nodes, cost))
    found: list[int] = nodes[order[taken[order]]][:CHOICES].tolist()
    return found


def _stop_for(state: State, agent: int) -> list[int] | None:
    """Stop the cheapest agents that make room for one, and place it."""
    offers = []
    nodes = np.arange(state.problem.nodes)
    open_to = ~state.figures.ineligible(np.full(nodes.shape, agent), nodes)
    for node in np.flatnonzero(open_to).tolist():
        victims = _victims(state, agent, node)
        if victims is not None:
            price = float(state.problem.unplaced_cost[victims].sum())
            offers.append((price, len(victims), node, victims))
    for price, _, node, victims in sorted(offers)[:TRIED]:
        moves: list[Move] = [*((victim, NOWHERE) for victim in victims), (agent, node)]
        if price < state.problem.unplaced_cost[agent] and state.change(moves) is not None:
            return victims
    return None


def _victims(state: State, agent: int, node: int) -> list[int] | None:
    """The cheapest agents of a node after which the agent fits there, without any to spare."""
    cost, count = state.problem.unplaced_cost, int(state.seats.count[node])
    there = state.seats.rows[node, :count]
    cheaper = there[(cost[there] < cost[agent]) & state.figures.movable[there]]
    order = cheaper[np.lexsort((cheaper, cost[cheaper]))]
    where = np.full(order.shape, node)
    freed = np.cumsum(state.figures.holding(order, where), axis=0)
    short = state.figures.need[agent] - state.room[node]
    enough = np.flatnonzero((freed >= short).all(axis=1))
    if not enough.size:
        return None
    chosen: list[int] = order[: enough[0] + 1].tolist()
    # Whoever turns out not to be needed, the dearest first, stays.
    for victim in reversed(chosen[:-1]):
        rest = [other for other in chosen if other != victim]
        if (state.figures.holding(np.array(rest), np.full(len(rest), node)).sum(0) >= short).all():
            chosen = rest
    return chosen
