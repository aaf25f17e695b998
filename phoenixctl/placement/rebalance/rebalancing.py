"""A fleet with its rules and a goal, and the moves that bring it nearer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.rules import Rebalancing
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.exact import check_installed
from phoenixctl.placement.objectives import objectives, prices, response_seconds
from phoenixctl.placement.posed import Posed, pose
from phoenixctl.placement.rebalance.aims import Aim, Facts, aim_at
from phoenixctl.placement.rebalance.at_best import most_gained
from phoenixctl.placement.rebalance.curve import Curve, follow
from phoenixctl.placement.rebalance.descent import search
from phoenixctl.placement.rebalance.hops import Hop
from phoenixctl.placement.rebalance.loads import loads_of
from phoenixctl.placement.rebalance.reasons import Story
from phoenixctl.placement.rebalance.result import Move, Point, Rebalance, Refusal, Standing, Use
from phoenixctl.placement.rebalance.simulate import simulate
from phoenixctl.placement.rebalance.waves import Budgets, Wave, in_waves
from phoenixctl.placement.solver.problem import Ints, Problem

ITERATIONS: Final = 100
EXACT: Final = 30  # neighbourhoods of few nodes, each about a fifth of a second
ROUNDS: Final = 8  # of searching anew without what the simulation has refused


def rebalance(
    fleet: Fleet,
    snapshot: Snapshot,
    settings: Rebalancing,
    *,
    movable: Callable[[AgentId], bool],
    at_once: Mapping[str, int],
    closed: Collection[NodeName] = (),
    seed: int = 0,
    iterations: int = ITERATIONS,
    exact: bool = False,
) -> Rebalance:
    """At most `max_moves` moves, each worth its price, in waves that break nothing on the way.

    `movable` says which agents may move, `at_once` by spec how many of them may be under way in one
    wave. No agent goes to a node that is `closed`. The same seed gives the same moves. Every wave
    was simulated; what that refused is not in it. `exact`: the agents of few nodes at a time are
    seated as well as can be, which needs ortools and some seconds.
    """
    if exact:
        check_installed()
    search_ = _Rebalancing(Board.of(fleet, snapshot), settings, movable, at_once, closed)
    refused: list[Refusal] = []
    for number in range(ROUNDS):
        curve, waves = search_.moves(seed, iterations, EXACT if exact else 0)
        found = simulate(fleet, snapshot, search_.named(waves))
        if not found:
            return search_.result(curve, waves, refused)
        refused += found
        search_.forbid(found, firmly=number >= ROUNDS // 2)
    return search_.result(Curve(curve.start, ()), (), refused)


@dataclass
class _Rebalancing:
    board: Board
    settings: Rebalancing
    movable: Callable[[AgentId], bool]
    at_once: Mapping[str, int]
    closed: Collection[NodeName]

    def __post_init__(self) -> None:
        board = self.board
        self.posed: Posed = self._without_closed(pose(board, movable=self.movable))
        self.facts = Facts(
            resources=board.resources,
            loads=loads_of(board, self.posed),
            totals=board.allowed,
            latency_seconds=response_seconds(board),
            target_seconds=board.fleet.targets.agent_response_time_p95_seconds,
            prices=prices(board),
        )
        self.aim: Aim = self._aim(self.posed.problem)
        self.at_first = self.aim  # what is refused on the way is no limit of what could be
        specs = {name: number for number, name in enumerate(board.fleet.agents)}
        kinds = [specs.get(board.residents[agent].spec_name, len(specs)) for agent in self.agents]
        most = [self.at_once.get(name, 1) for name in specs]
        self.budgets = Budgets(np.array(kinds, np.int64), (*most, 0))

    @property
    def agents(self) -> Sequence[AgentId]:
        return self.posed.agents

    def moves(self, seed: int, iterations: int, exact: int) -> tuple[Curve, tuple[Wave, ...]]:
        curve = search(
            self.aim,
            self.posed.home,
            most_hops=self.settings.max_moves,
            seed=seed,
            iterations=iterations if self.posed.problem.movable.any() else 0,
            exact=exact,
        )
        return curve, in_waves(self.aim.problem, self.posed.home, curve.hops, self.budgets)

    def named(self, waves: Iterable[Iterable[Hop]]) -> tuple[tuple[Move, ...], ...]:
        return tuple(tuple(self._move(hop) for hop in wave) for wave in waves)

    def forbid(self, refused: Sequence[Refusal], *, firmly: bool) -> None:
        """A node that was not for an agent is not for others of its spec. The agent itself stays
        where it is if it is refused there again, or `firmly`."""
        problem, row = self.aim.problem, {agent: n for n, agent in enumerate(self.agents)}
        eligible, movable = problem.eligible.copy(), problem.movable.copy()
        for refusal in refused:
            agent, target = row[refusal.move.agent], self.board.number[refusal.move.target]
            spec = problem.eligible_row[problem.group[agent]]
            movable[agent] &= bool(problem.eligible[spec, target]) and not firmly
            eligible[spec, target] = False
        priced = replace(problem, eligible=eligible, movable=movable)
        self.aim = replace(self.aim, problem=priced)

    def result(
        self, curve: Curve, waves: tuple[Wave, ...], refused: Sequence[Refusal]
    ) -> Rebalance:
        home, after = self.posed.home, follow(self.posed.home, curve.hops)
        scale = max(len(self.agents), 1)
        before, now = self._standing(home), self._standing(after)
        story = Story(self.settings.goal, self.board, self.facts, self.posed, after)
        named = {hop: self._move(hop) for hop in curve.hops}
        emptied = np.setdiff1d(home, after)
        bound = self.at_first.least()
        return Rebalance(
            goal=self.settings.goal,
            start=curve.start / scale,
            points=tuple(self._points(curve, scale, bound)),
            # What is broken already may cost less than anything that breaks nothing.
            bound=min(bound, curve.cost / scale),
            before=before,
            after=now,
            waves=self.named(waves),
            why=MappingProxyType({named[hop]: story.why(hop) for hop in curve.hops}),
            emptied=tuple(self.board.names[node] for node in emptied.tolist()),
            refused=tuple(refused),
            blocked=tuple((self.agents[one], self.agents[two]) for one, two in curve.blocked),
        )

    def _points(self, curve: Curve, scale: int, least: float) -> Iterable[Point]:
        moves, cost = 0, curve.start
        gained = most_gained(self.at_first.problem, self.posed.home, len(curve.hops))
        for stage in curve.stages:
            moves += len(stage.hops)
            made = tuple(self._move(hop) for hop in stage.hops)
            reached = stage.cost / scale
            bound = min(reached, max(least, (curve.start - float(gained[moves])) / scale))
            yield Point(moves, reached, bound, (cost - stage.cost) / scale, made)
            cost = stage.cost

    def _standing(self, at: Ints) -> Standing:
        board = self.board
        count = np.bincount(at, minlength=len(board.names))
        load = np.zeros_like(board.allowed)
        np.add.at(load, at, self.facts.loads)
        share = np.where(board.allowed > 0, load / np.where(board.allowed > 0, board.allowed, 1), 0)
        columns = [c for c in range(share.shape[1]) if load[:, c].any()]
        known = [c for c in columns if np.isfinite(board.allowed[:, c]).any()]
        return Standing(
            terms=self.aim.shares(at),
            use=Use(
                nodes=int((count > 0).sum()),
                most_agents=int(count.max(initial=0)),
                fullest={board.resources[c]: float(np.nanmax(share[:, c])) for c in known},
                mean={
                    board.resources[c]: float(load[:, c].sum() / np.nansum(board.allowed[:, c]))
                    for c in known
                },
            ),
            objectives=objectives(board, count=count, load=load),
        )

    def _without_closed(self, posed: Posed) -> Posed:
        closed = np.array([name in self.closed for name in self.board.names], np.bool_)
        open_to = posed.problem.eligible & ~closed
        return replace(posed, problem=replace(posed.problem, eligible=open_to))

    def _aim(self, problem: Problem) -> Aim:
        settings = self.settings
        return aim_at(settings.goal, problem, self.facts, move_cost=settings.move_cost)

    def _move(self, hop: Hop) -> Move:
        names = self.board.names
        return Move(self.agents[hop.agent], names[hop.source], names[hop.target])
