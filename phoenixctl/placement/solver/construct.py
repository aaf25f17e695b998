"""A first placement: the most constrained agents first, each where it costs least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby

import numpy as np

from phoenixctl.placement.solver.problem import NOWHERE, Bools, Floats, Ints, Problem, Together
from phoenixctl.placement.solver.sizes import TINY, shares
from phoenixctl.placement.solver.state import State


class Fill(StrEnum):
    """Which of the nodes that cost the same is taken."""

    EVEN = "even"  # the one that is least full then
    TIGHT = "tight"  # the one that is fullest then


def construct(state: State, fill: Fill = Fill.EVEN) -> tuple[int, ...]:
    """Place the agents that are nowhere; returns those that no node took, in the order tried.

    An agent gets a node whenever one takes it as things stand; no other agent is moved for it.
    """
    waiting = np.flatnonzero(state.at[:-1] == NOWHERE)
    left: list[int] = []
    for alike in _alike(state.problem, constrained_first(state.problem, waiting)):
        left += _Line(state, alike[0], fill).place(alike)
    # Agents placed later may have brought whom an earlier one needs, or evened out a skew.
    while left:
        again: list[int] = []
        for alike in _alike(state.problem, left):
            again += _Line(state, alike[0], fill).place(alike)
        if len(again) == len(left):
            break
        left = again
    return (*left, *_lonely(state, waiting))


def constrained_first(problem: Problem, agents: Ints) -> list[int]:
    """Agents that others need, then those with few nodes, then large ones; alike ones together."""
    groups = problem.group[agents]
    choices = problem.eligible.sum(axis=1)[problem.eligible_row[groups]]
    size = shares(problem)[agents]
    order = np.lexsort((agents, groups, -size, choices, _depth(problem)[groups]))
    ordered: list[int] = agents[order].tolist()
    return ordered


def _depth(problem: Problem) -> Ints:
    """How long the chain of groups is that each group needs to be there first."""
    depth = np.zeros(problem.groups, np.int64)
    needs = [rule for rule in problem.together if rule.groups != rule.others]
    for _ in range(min(len(needs), 16)):
        before = depth.copy()
        for rule in needs:
            below = depth[list(rule.others)].max(initial=0) + 1
            for group in rule.groups:
                depth[group] = max(depth[group], below)
        if (depth == before).all():
            break
    return depth


def _alike(problem: Problem, agents: Sequence[int]) -> Iterator[list[int]]:
    """Runs of agents for which every node costs the same."""

    def traits(agent: int) -> tuple[object, ...]:
        home = int(problem.home[agent])
        price = 0.0 if home == NOWHERE else float(problem.moves.agent[agent])
        return int(problem.group[agent]), problem.need[agent].tobytes(), home, price

    for _, run in groupby(agents, key=traits):
        yield list(run)


class _Line:
    """Agents that are alike, with what every node would cost them."""

    def __init__(self, state: State, agent: int, fill: Fill) -> None:
        self.state, self.agent = state, agent
        self.group = np.array(state.figures.group[agent])
        self.nodes = np.arange(state.problem.nodes)
        self.sign = 1.0 if fill is Fill.EVEN else -1.0
        figures = state.figures
        self.need, self.load = figures.need[agent], figures.load[agent]
        self.capacity = np.where(np.isfinite(figures.capacity), figures.capacity, 1.0) + TINY
        self.holds_at_home = bool(figures.home[agent] != NOWHERE and figures.lasting[agent].any())
        self.alone = figures.standing(np.array([agent]), self.nodes)
        nobody = np.full(self.nodes.shape, figures.nobody)
        agents = np.full(self.nodes.shape, agent)
        self.allowed = state.fits(self.nodes, nobody, agents)
        self.allowed &= ~figures.ineligible(agents, self.nodes)
        self.cost = self.alone + state.load_change(self.nodes, nobody, agents)
        self.cost += state.problem.open_cost * (state.seats.count == 0)
        left = (state.room - self.need) / self.capacity
        self.fullness = 1.0 - left.min(axis=1, initial=1.0)  # of the fullest resource, 0 to 1

    def place(self, agents: Sequence[int]) -> list[int]:
        """Place each agent where it costs least; returns those that no node takes."""
        for tried, agent in enumerate(agents):
            open_to = self.allowed & ~self.state.rules.barred(
                self.group, np.array(NOWHERE), self.nodes
            )
            if not self._seat(agent, open_to):
                # While these are placed no node gets emptier, but a rule may open one.
                rest = agents[tried + 1 :]
                return [agent, *(other for other in rest if not self._seat_later(other))]
        return []

    def _seat_later(self, agent: int) -> bool:
        barred = self.state.rules.barred(self.group, np.array(NOWHERE), self.nodes)
        return self._seat(agent, self.allowed & ~barred)

    def _seat(self, agent: int, open_to: Bools) -> bool:
        while open_to.any():
            node = self._best(open_to)
            if self._take(agent, node):
                self._renew(node)
                return True
            open_to[node] = False
        return False

    def _take(self, agent: int, node: int) -> bool:
        if self.holds_at_home:
            return self.state.change([(agent, node)]) is not None
        return self.state.seat(agent, node, float(self.cost[node]))

    def _best(self, open_to: Bools) -> int:
        cost = np.where(open_to, self._with_pulls(), np.inf)
        least = cost.min()
        ties = cost <= least + 1e-12 * abs(least)
        return int(np.where(ties, self.sign * self.fullness, np.inf).argmin())

    def _with_pulls(self) -> Floats:
        cost = self.cost
        for table in self.state.pulls:
            cost = cost + table.lean(self.group, np.array(NOWHERE), self.nodes)
        return cost

    def _renew(self, node: int) -> None:
        """Put right what one more agent on the node changes for the next one."""
        state = self.state
        left, over = state.room[node] - self.need, state.over[node]
        self.allowed[node] = bool((self.need <= np.maximum(state.room[node], 0.0)).all())
        more = np.maximum(over + self.load, 0.0) - np.maximum(over, 0.0)
        self.cost[node] = self.alone[node] + more.sum()
        self.fullness[node] = 1.0 - (left / self.capacity[node]).min(initial=1.0)


def _lonely(state: State, waiting: Ints) -> list[int]:
    """Takes away the agents whose place was given for the sake of others that did not come.

    Only `waiting` ones, which were just placed, and until each that is left has whom it needs.
    """
    problem, at = state.problem, state.at[:-1].copy()
    taken: list[int] = []
    mutual = [rule for rule in problem.together if rule.mutual]
    while mutual:
        alone = [agent for rule in mutual for agent in _without(problem, rule, at, waiting)]
        if not alone:
            break
        at[alone] = NOWHERE
        taken += dict.fromkeys(alone)
    if taken:
        state.reset(at)
    return taken


def _without(problem: Problem, rule: Together, at: Ints, waiting: Ints) -> list[int]:
    domain = problem.partitions[rule.partition]
    served = domain[at[np.isin(problem.group, rule.others) & (at != NOWHERE)]]
    asking = waiting[np.isin(problem.group[waiting], rule.groups) & (at[waiting] != NOWHERE)]
    alone: list[int] = asking[~np.isin(domain[at[asking]], served)].tolist()
    return alone
