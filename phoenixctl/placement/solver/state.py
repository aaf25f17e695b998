"""A placement while it changes: sums that every move keeps right, and what a move would cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from phoenixctl.placement.solver.evaluate import cost, held, load
from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import NOWHERE, Bools, Floats, Ints, Problem
from phoenixctl.placement.solver.pulls import pull_tables
from phoenixctl.placement.solver.rules.book import RuleBook
from phoenixctl.placement.solver.seats import Seats

Move: TypeAlias = tuple[int, int]
"""An agent and the node it goes to, or `NOWHERE`."""
Shifts: TypeAlias = dict[int, Floats]
"""What nodes get more of."""


class State:
    """Where every agent is, with the sums over nodes and groups that moves change.

    `over` (N, H) is how far each scaled column is above its soft cap, `room` (N, R) what is left of
    the hard capacity; below zero where it was broken at the start.
    """

    def __init__(self, figures: Figures, at: Ints) -> None:
        self.figures = figures
        self.problem: Problem = figures.problem
        self.reset(at)

    def reset(self, at: Ints) -> None:
        """Forget everything; the agents are `at` these nodes."""
        problem = self.problem
        self.at = np.append(at, NOWHERE)
        self.seats = Seats(at, problem.nodes)
        self.rules = RuleBook(problem, at)
        self.pulls = pull_tables(problem, at)
        away = (problem.home != NOWHERE) & (problem.home != at) & (at != NOWHERE)
        self.moved_of = np.bincount(problem.group[away], minlength=problem.groups + 1)
        self.away = int(away.sum())
        self._most_moved = int(self.moved_of.max())
        self.cost = 0.0
        self.over: Floats = np.zeros((0, 0))
        self.room: Floats = np.zeros((0, 0))
        self.refresh()

    def refresh(self) -> None:
        """Compute the sums anew, so that roundings of many moves do not add up."""
        at, problem, figures = self.at[:-1], self.problem, self.figures
        weighted = problem.hinges.mix * problem.hinges.weight
        self.over = load(problem, at) @ weighted - figures.soft
        self.room = figures.capacity - held(problem, at)
        self.cost = cost(problem, at).total

    @property
    def assignment(self) -> Ints:
        """(A,) a copy of where every agent is."""
        return self.at[:-1].copy()

    def may_move(self, more: int) -> bool:
        """Whether so many more agents may be away from home."""
        limit = self.problem.most_moves
        return limit is None or more <= 0 or self.away + more <= limit

    def fits(self, nodes: Ints, outs: Ints, ins: Ints) -> Bools:
        """Whether capacity allows that these agents leave and enter nodes, one of each a node."""
        figures = self.figures
        more = figures.holding(ins, nodes) - figures.holding(outs, nodes)
        fit: Bools = np.all(more <= np.maximum(self.room[nodes], 0.0), axis=-1)
        return fit

    def load_change(self, nodes: Ints, outs: Ints, ins: Ints) -> Floats:
        """What the hinges of these nodes would cost more."""
        over = self.over[nodes]
        after = over + (self.figures.load[ins] - self.figures.load[outs])
        change: Floats = (np.maximum(after, 0.0) - np.maximum(over, 0.0)).sum(axis=-1)
        return change

    def seat(self, agent: int, node: int, added: float) -> bool:
        """Place an agent that is nowhere and holds nothing at home on a node that it fits.

        `added` is what that costs, but for its pulls. False, and nothing is done, if a rule
        forbids it.
        """
        group, leaves = int(self.figures.group[agent]), self._leaves_home(agent, node)
        if not (self.may_move(leaves) and self.rules.attempt([(group, NOWHERE, node)])):
            return False
        self.room[node] -= self.figures.need[agent]
        self.over[node] += self.figures.load[agent]
        added += self.regroup(group, NOWHERE, node, leaves)
        self.cost += added - float(self.problem.unplaced_cost[agent])
        self.seats.enter(agent, node)
        self.at[agent] = node
        return True

    def change(self, moves: Sequence[Move]) -> float | None:
        """Make these moves at once and say what they add to the cost.

        None, and nothing is done, if a hard constraint would be broken further than it is.
        """
        moves = [(agent, node) for agent, node in moves if self.at[agent] != node]
        more_held, loads = self._shifts(moves)
        if any((more > np.maximum(self.room[node], 0.0)).any() for node, more in more_held.items()):
            return None
        if not self.may_move(sum(self._leaves_home(agent, node) for agent, node in moves)):
            return None
        agents = np.array([agent for agent, _ in moves], np.int64)
        targets = np.array([node for _, node in moves], np.int64)
        entering = targets != NOWHERE
        if self.figures.ineligible(agents[entering], targets[entering]).any():
            return None
        group, at = self.figures.group, self.at
        if not self.rules.attempt([(int(group[a]), int(at[a]), n) for a, n in moves]):
            return None
        return self._carry(moves, more_held, loads)

    def regroup(self, group: int, source: int, target: int, leaves_home: int) -> float:
        """Count a move of one of the group's agents, and what it adds by pulls and for the group.

        `leaves_home` is 1, or -1 for a return, else 0.
        """
        added = 0.0
        for table in self.pulls:
            added += table.relocate(group, source, target)
        if leaves_home:
            self.away += leaves_home
            self.moved_of[group] += leaves_home
            most, now = self._most_moved, int(self.moved_of[group])
            if now > most or now - leaves_home == most:
                self._most_moved = int(self.moved_of.max())
                added += self.problem.moves.group * (self._most_moved - most)
        return added

    def _carry(self, moves: Sequence[Move], more_held: Shifts, loads: Shifts) -> float:
        added = 0.0
        for node, more in more_held.items():
            self.room[node] -= more
        for node, more in loads.items():
            after = self.over[node] + more
            added += float((np.maximum(after, 0.0) - np.maximum(self.over[node], 0.0)).sum())
            self.over[node] = after
        for agent, node in moves:
            added += self._relocate(agent, node)
        self.cost += added
        return added

    def _relocate(self, agent: int, node: int) -> float:
        """Seat one agent anew, and everything it costs by itself."""
        source, group = int(self.at[agent]), int(self.figures.group[agent])
        added = self._alone(agent, node) - self._alone(agent, source)
        added += self.regroup(group, source, node, self._leaves_home(agent, node))
        if source != NOWHERE:
            self.seats.leave(agent, source)
            added -= self._opened(source)
        if node != NOWHERE:
            added += self._opened(node)
            self.seats.enter(agent, node)
        self.at[agent] = node
        return added

    def _alone(self, agent: int, node: int) -> float:
        if node == NOWHERE:
            return float(self.problem.unplaced_cost[agent])
        return float(self.figures.standing(np.array([agent]), np.array([node]))[0])

    def _opened(self, node: int) -> float:
        return 0.0 if self.seats.count[node] else float(self.problem.open_cost[node])

    def _leaves_home(self, agent: int, node: int) -> int:
        """1 if the agent is away from home then and is not now, -1 the other way round."""
        home = int(self.figures.home[agent])
        if home == NOWHERE:
            return 0
        return int(node not in (home, NOWHERE)) - int(self.at[agent] not in (home, NOWHERE))

    def _shifts(self, moves: Iterable[Move]) -> tuple[Shifts, Shifts]:
        """By node, what it holds more of each resource and has more of each column."""
        figures = self.figures
        more_held: Shifts = {}
        loads: Shifts = {}
        for agent, node in moves:
            source, home = int(self.at[agent]), int(figures.home[agent])
            need, lasting = figures.need[agent], figures.lasting[agent]
            for place, sign in ((source, -1.0), (node, 1.0)):
                if place == NOWHERE:
                    continue
                more_held[place] = more_held.get(place, 0.0) + sign * need
                loads[place] = loads.get(place, 0.0) + sign * figures.load[agent]
                if home not in (place, NOWHERE) and lasting.any():
                    more_held[home] = more_held.get(home, 0.0) + sign * lasting
        return more_held, loads
