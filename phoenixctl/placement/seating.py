"""Seating some agents on some nodes while all others stay, as a model for an exact solver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final, TypeAlias

import numpy as np

from phoenixctl.placement.solver.evaluate import ROUNDING, held
from phoenixctl.placement.solver.problem import (
    NOWHERE,
    Apart,
    Floats,
    Ints,
    Problem,
    Skew,
    Spread,
    Together,
)
from phoenixctl.placement.solver.state import State

Rule: TypeAlias = tuple[str, int]
"""The kind of a rule and its number."""

FINE: Final = 10**6  # parts of a node's capacity, where amounts are not whole numbers
FINER: Final = 10**7  # parts of what the nodes cost now


class Seating:
    """One variable for each agent on each node.

    `outside` (A,) says where all others are; the agents to be seated are nowhere in it. With
    `switched` every rule has a switch, and amounts are rounded so that nothing that fits is said
    not to; otherwise all rules hold, and nothing is said to fit that does not.
    """

    def __init__(
        self, cp: ModuleType, problem: Problem, outside: Ints, agents: Ints, nodes: Ints,
        *, switched: bool,
    ) -> None:  # fmt: skip
        self.cp, self.problem, self.outside = cp, problem, outside
        self.agents, self.nodes, self.switched = agents, nodes, switched
        self._members: dict[int, list[int]] = {}
        for i, group in enumerate(problem.group[agents].tolist()):
            self._members.setdefault(group, []).append(i)
        self._places: dict[int, list[tuple[int, list[int]]]] = {}
        self._fixed: dict[int, dict[int, Counter[int]]] = {}
        self.model: Any = cp.CpModel()
        self.switches: dict[Rule, Any] = {}
        self.seats = [[self._bool() for _ in nodes] for _ in agents]
        for row in self.seats:
            self.model.add_exactly_one(row)

    def add_rules(self, before: Ints | None = None) -> None:
        """All hard constraints. What nodes held `before`, they may hold again."""
        problem = self.problem
        self._add_eligible()
        for resource in range(problem.capacity.shape[1]):
            self._add_capacity(resource, before)
        for number, apart in enumerate(problem.apart):
            if self._concerned(*apart.groups, *apart.others):
                self._add_apart(("apart", number), apart)
        for number, together in enumerate(problem.together):
            if self._concerned(*together.groups, *together.others):
                self._add_together(("together", number), together)
        for number, spread in enumerate(problem.spread):
            if self._concerned(*spread.groups):
                self._add_spread(("spread", number), spread)
        for number, skew in enumerate(problem.skew):
            if self._concerned(*skew.groups):
                self._add_skew(("skew", number), skew)
        if problem.most_moves is not None:
            self._add_moves(problem.most_moves)

    def add_costs(self, state: State, before: Ints) -> None:
        """What seats cost by load, preference, moves and nodes opened."""
        standing = state.figures.standing(self.agents[:, None], self.nodes[None])
        load = state.figures.load[self.agents]
        there = before[self.agents][:, None] == self.nodes[None]
        over = state.over[self.nodes] - there.T @ load
        now = np.maximum(state.over[self.nodes], 0.0).sum() + np.abs(standing[there]).sum()
        scale = FINER / max(float(now), 1e-9)
        terms = [
            round(float(standing[i, j]) * scale) * seat
            for i, row in enumerate(self.seats)
            for j, seat in enumerate(row)
            if standing[i, j]
        ]
        for j in range(self.nodes.size):
            terms += self._excess(j, load, over[j], scale)
            price = round(float(self.problem.open_cost[self.nodes[j]]) * scale)
            if price and not (self.outside == self.nodes[j]).any():
                terms.append(price * self._any_of(row[j] for row in self.seats))
        self.model.minimize(sum(terms))

    def suggest(self, before: Ints) -> None:
        """Begin with where the agents were."""
        for agent, row in zip(self.agents, self.seats, strict=True):
            for node, seat in zip(self.nodes, row, strict=True):
                self.model.add_hint(seat, int(before[agent] == node))

    def best(self, seconds: float, seed: int) -> Ints | None:
        """(n,) the node of each agent, at the least cost found in these deterministic seconds."""
        solver = self._solver(seconds, seed)
        if solver.solve(self.model) not in (self.cp.OPTIMAL, self.cp.FEASIBLE):
            return None
        chosen = [[solver.boolean_value(seat) for seat in row] for row in self.seats]
        found: Ints = self.nodes[np.array(chosen).argmax(axis=1)]
        return found

    def contradiction(self, rules: Sequence[Rule], seconds: float) -> list[Rule] | None:
        """Some of these rules that cannot hold together; None if it is not known that any."""
        self.model.clear_assumptions()
        self.model.add_assumptions([self.switches[rule] for rule in rules])
        solver = self._solver(seconds, 0)
        if solver.solve(self.model) != self.cp.INFEASIBLE:
            return None
        core = set(solver.sufficient_assumptions_for_infeasibility())
        return [rule for rule in rules if self.switches[rule].index in core]

    def _solver(self, seconds: float, seed: int) -> Any:
        solver = self.cp.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = seed
        solver.parameters.max_deterministic_time = seconds
        return solver

    def _concerned(self, *groups: int) -> bool:
        """Whether seats matter to a rule about these groups; in a proof each rule does."""
        return self.switched or not self._members.keys().isdisjoint(groups)

    def _bool(self) -> Any:
        return self.model.new_bool_var("")

    def _hold(self, rule: Rule, constraint: Any) -> None:
        """Let a constraint hold, or only while the switch of its rule is on."""
        if self.switched:
            if rule not in self.switches:
                self.switches[rule] = self._bool()
            constraint.only_enforce_if(self.switches[rule])

    def _any_of(self, seats: Iterable[Any]) -> Any:
        """True if any of these seats is taken, and maybe if none is."""
        taken = self._bool()
        for seat in seats:
            self.model.add_implication(seat, taken)
        return taken

    def _add_eligible(self) -> None:
        problem = self.problem
        for i, agent in enumerate(self.agents):
            home, row = problem.home[agent], problem.eligible_row[problem.group[agent]]
            stays = self.switched and not problem.movable[agent] and home != NOWHERE
            for j, node in enumerate(self.nodes):
                if not problem.eligible[row, node] and node != home:
                    self._hold(("eligible", 0), self.model.add(self.seats[i][j] == 0))
                if stays and node != home:
                    self._hold(("fixed", 0), self.model.add(self.seats[i][j] == 0))

    def _add_capacity(self, resource: int, before: Ints | None) -> None:
        problem = self.problem
        need = problem.need[self.agents, resource]
        lasting = need if problem.transient[resource] else np.zeros(need.size)
        used = held(problem, self.outside)[:, resource]
        for j, node in enumerate(self.nodes):
            at_home = problem.home[self.agents] == node
            takes = np.where(at_home, need - lasting, need)
            room = float(problem.capacity[node, resource] - used[node] - lasting[at_home].sum())
            if not np.isfinite(room) or (room >= 0 and not takes.any()):
                continue
            room += ROUNDING * abs(float(problem.capacity[node, resource]))
            if before is not None:
                room = max(room, float(takes[before[self.agents] == node].sum()))
            amounts, most = self._whole(takes, room)
            total = sum(int(a) * row[j] for a, row in zip(amounts, self.seats, strict=True))
            self._hold(("capacity", resource), self.model.add(total <= most))

    def _whole(self, takes: Floats, room: float) -> tuple[Ints, int]:
        """Whole numbers that fit if these do, or that only fit if these do."""
        if (takes == np.round(takes)).all():
            return takes.astype(np.int64), int(np.floor(room))
        scale = FINE / max(float(np.abs(takes).max()), abs(room))
        if self.switched:
            return np.floor(takes * scale).astype(np.int64), int(np.ceil(room * scale))
        return np.ceil(takes * scale).astype(np.int64), int(np.floor(room * scale))

    def _domains(self, partition: int) -> list[tuple[int, list[int]]]:
        """Each domain of the nodes, with their places."""
        if partition not in self._places:
            of = self.problem.partitions[partition][self.nodes]
            self._places[partition] = [
                (domain, np.flatnonzero(of == domain).tolist()) for domain in np.unique(of).tolist()
            ]
        return self._places[partition]

    def _standing(self, partition: int) -> dict[int, Counter[int]]:
        """By group, how many of its agents that are not seated each domain has."""
        if partition not in self._fixed:
            placed = np.flatnonzero(self.outside != NOWHERE)
            domains = self.problem.partitions[partition][self.outside[placed]]
            counts: dict[int, Counter[int]] = {}
            groups = self.problem.group[placed].tolist()
            for group, domain in zip(groups, domains.tolist(), strict=True):
                counts.setdefault(group, Counter())[domain] += 1
            self._fixed[partition] = counts
        return self._fixed[partition]

    def _count(
        self, groups: Iterable[int], partition: int
    ) -> tuple[dict[int, Any], dict[int, int]]:
        """How many agents of these groups each domain of the nodes has then, and each other one."""
        groups = set(groups)
        fixed: Counter[int] = Counter()
        for group in groups:
            fixed += self._standing(partition).get(group, Counter())
        rows = [self.seats[i] for group in groups for i in self._members.get(group, ())]
        counts: dict[int, Any] = {}
        for domain, places in self._domains(partition):
            counts[domain] = fixed[domain] + sum(row[j] for row in rows for j in places)
        return counts, {d: count for d, count in fixed.items() if d not in counts}

    def _add_apart(self, name: Rule, rule: Apart) -> None:
        pairs = {(min(a, b), max(a, b)) for a in rule.groups for b in rule.others}
        for one, other in sorted(pairs):
            ours, _ = self._count([one], rule.partition)
            theirs, _ = self._count([other], rule.partition)
            for domain in ours:
                if one == other:
                    self._hold(name, self.model.add(ours[domain] <= 1))
                    continue
                first = self._bool()  # which of the two groups may be there
                most = self.problem.agents
                self._hold(name, self.model.add(ours[domain] <= most * first))
                self._hold(name, self.model.add(theirs[domain] <= most * (1 - first)))

    def _add_together(self, name: Rule, rule: Together) -> None:
        itself = int(set(rule.groups) == set(rule.others))
        using, _ = self._count(rule.groups, rule.partition)
        have, _ = self._count(rule.others, rule.partition)
        total = sum(len(self._members.get(group, ())) for group in set(rule.others))
        for group in set(rule.others):
            total += self._standing(rule.partition).get(group, Counter()).total()
        if (itself and total == 1) or (rule.mutual and not total):
            return  # a first one
        for domain in using:
            served = self._bool()
            self._hold(name, self.model.add(have[domain] >= (1 + itself) * served))
            self._hold(name, self.model.add(using[domain] <= self.problem.agents * served))

    def _add_spread(self, name: Rule, rule: Spread) -> None:
        counts, elsewhere = self._count(rule.groups, rule.partition)
        reached = []
        for count in counts.values():
            there = self._bool()
            self._hold(name, self.model.add(count >= there))
            reached.append(there)
        members = np.isin(self.problem.group, rule.groups)
        members[self.agents] = False
        waiting = int((self.outside[members] == NOWHERE).sum())
        wanted = rule.at_least - len(elsewhere) - waiting
        self._hold(name, self.model.add(sum(reached) >= wanted))

    def _add_skew(self, name: Rule, rule: Skew) -> None:
        problem = self.problem
        counts, elsewhere = self._count(rule.groups, rule.partition)
        rows = problem.eligible_row[list(rule.groups)]
        usable = problem.eligible[rows].any(axis=0)
        least = self.model.new_int_var(0, problem.agents, "")
        for domain in np.unique(problem.partitions[rule.partition][usable]).tolist():
            count = counts.get(domain, elsewhere.get(domain, 0))
            self._hold(name, self.model.add(least <= count))
            self._hold(name, self.model.add(count <= least + rule.at_most))

    def _add_moves(self, most: int) -> None:
        home, out = self.problem.home, self.outside
        away = int(((home != NOWHERE) & (out != NOWHERE) & (out != home)).sum())
        moved = [
            1 - sum(seat for node, seat in zip(self.nodes, row, strict=True) if node == home[agent])
            for agent, row in zip(self.agents, self.seats, strict=True)
            if home[agent] != NOWHERE
        ]
        self._hold(("moves", 0), self.model.add(sum(moved) + away <= most))

    def _excess(self, place: int, load: Floats, over: Floats, scale: float) -> Iterator[Any]:
        """What a node has above each soft cap: at least its load, at least nothing."""
        for column in np.flatnonzero(load.any(axis=0)):
            amounts = np.round(load[:, column] * scale).astype(np.int64)
            base = round(float(over[column]) * scale)
            most = base + int(np.maximum(amounts, 0).sum())
            if most > 0:
                excess = self.model.new_int_var(0, most, "")
                seats = (row[place] for row in self.seats)
                total = sum(int(a) * seat for a, seat in zip(amounts, seats, strict=True) if a)
                self.model.add(excess >= base + total)
                yield excess
