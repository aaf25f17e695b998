"""Why each move is made, in words."""

from __future__ import annotations

from typing import Final

import numpy as np

from phoenixctl.model.fleet import Agent
from phoenixctl.model.rules import Goal
from phoenixctl.model.units import format_ratio
from phoenixctl.placement.board import Board
from phoenixctl.placement.posed import Posed
from phoenixctl.placement.rebalance.aims import Facts
from phoenixctl.placement.rebalance.hops import Hop
from phoenixctl.placement.solver.problem import Floats, Ints

PASSING: Final = frozenset({"health", "cordon", "join"})  # keep agents from coming, not from being
LEAST: Final = 0.005  # of a node: less is not worth a word


class Story:
    """What becomes of nodes between two placements of all agents, for one goal."""

    def __init__(self, goal: Goal, board: Board, facts: Facts, posed: Posed, after: Ints) -> None:
        self.goal, self.board, self.facts, self.end = goal, board, facts, after
        self.agents, before = posed.agents, posed.home
        self.count = [np.bincount(at, minlength=len(board.names)) for at in (before, after)]
        self.use = [_use(at, facts) for at in (before, after)]

    def why(self, hop: Hop) -> str:
        """The reason for one move: what its node, or the agent, has of all of them."""
        source = self.board.names[hop.source]
        if self.end[hop.agent] != hop.target:
            return f"it makes room on {source} and goes on from there"
        if broken := self._broken(hop):
            return broken
        if self.goal is Goal.CONSOLIDATE:
            left = int(self.count[1][hop.source])
            return f"{source} is emptied" if not left else f"it makes room on {source}"
        if self.goal is Goal.LATENCY and (slow := self._slower(hop)):
            return slow
        return self._relieved(hop)

    def _broken(self, hop: Hop) -> str | None:
        """The rule that it breaks where it is."""
        name, source = self.agents[hop.agent], self.board.names[hop.source]
        spec, _, ordinal = name.rpartition("-")
        agent = Agent(self.board.fleet.agents[spec], int(ordinal))
        self.board.withdraw(name, source)
        found = self.board.rejections(agent, hop.source)
        self.board.promise(agent, source)
        rule = next((one for one in found if one.constraint not in PASSING), None)
        if rule is None:
            return None
        return (
            f"it should not be on {source} ({rule.constraint}: needs {rule.need}, has {rule.have})"
        )

    def _slower(self, hop: Hop) -> str | None:
        here, there = (self.facts.latency_seconds[node] for node in hop[1:])
        if not here > there:
            return None
        return (
            f"agents on {self.board.names[hop.source]} answer in {here * 1000:.0f} ms,"
            f" on {self.board.names[hop.target]} in {there * 1000:.0f} ms"
        )

    def _relieved(self, hop: Hop) -> str:
        """What falls on its node. Where nothing does, agents change places."""
        told = [self._fewer(hop.source), self._less(hop.source)]
        if self.goal is not Goal.EVEN:
            told.reverse()
        target = self.board.names[hop.target]
        return next(filter(None, told), f"it changes places, for the sake of {target}")

    def _fewer(self, node: int) -> str | None:
        agents, left = (int(count[node]) for count in self.count)
        if left >= agents:
            return None
        return f"{self.board.names[node]} has {left} agents instead of {agents}"

    def _less(self, node: int) -> str | None:
        """Of the resource of which the largest part becomes free."""
        before, after = (use[node] for use in self.use)
        fall = np.nan_to_num(before - after, nan=0.0)
        column = int(fall.argmax())
        if fall[column] < LEAST:
            return None
        falls = f"from {format_ratio(before[column])} to {format_ratio(after[column])}"
        return f"{self.facts.resources[column]} of {self.board.names[node]} falls {falls}"


def _use(at: Ints, facts: Facts) -> Floats:
    """(N, L) of what each node has; NaN: not known."""
    load = np.zeros_like(facts.totals)
    np.add.at(load, at, facts.loads)
    return load / np.where(facts.totals > 0, facts.totals, np.nan)
