"""Rules about neighbours as rules between groups of agents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.names import AgentId
from phoenixctl.model.rules import NODE, Affinity, AgentSelector, Redundancy
from phoenixctl.model.rules import Spread as SpreadOver
from phoenixctl.placement.board import Board
from phoenixctl.placement.filters.affinity import described
from phoenixctl.placement.labels import matches, may_match
from phoenixctl.placement.rules import rules_of
from phoenixctl.placement.solver.problem import (
    NODES,
    Apart,
    Bools,
    Ints,
    Pull,
    Skew,
    Spread,
    Together,
)

MEETING: Final = 1.0  # what each pair costs that is together against a hard rule
PAIR: Final = 0.2  # what a soft rule of weight 1 costs an agent that has all others with it


@dataclass(frozen=True, slots=True)
class Groups:
    """Agents that no rule tells apart: those of a spec, but for those that a rule names.

    `keys` has the spec's name, and the agent's if it is named.
    """

    specs: tuple[str, ...]
    keys: tuple[tuple[str, str], ...]
    count: Ints  # (G,) how many there are of each
    _number: dict[tuple[str, str], int]

    @classmethod
    def of(cls, board: Board, more: Iterable[tuple[AgentId, str]] = ()) -> Groups:
        """Of those on the board, and of more agents by their specs."""
        rules = [rules_of(spec) for spec in board.fleet.agents.values()]
        named = {
            agent
            for each in rules
            for rule in (*each.affinity, *each.anti_affinity)
            for agent in rule.agents.ids
        }
        there = [(a, r.spec_name) for a, r in board.residents.items() for _ in r.nodes]
        there += more
        specs = dict.fromkeys(board.fleet.agents)
        specs.update(dict.fromkeys(spec for _, spec in there))
        counts: dict[tuple[str, str], int] = {(spec, ""): 0 for spec in specs}
        for agent, spec in there:
            key = (spec, agent if agent in named else "")
            counts[key] = counts.get(key, 0) + 1
        number = {key: place for place, key in enumerate(counts)}
        return cls(tuple(specs), tuple(counts), np.array([*counts.values()], np.int64), number)

    def number(self, agent: AgentId, spec: str) -> int:
        found = self._number.get((spec, agent))
        return self._number[spec, ""] if found is None else found

    def of_spec(self, name: str) -> tuple[int, ...]:
        return tuple(number for number, (spec, _) in enumerate(self.keys) if spec == name)

    def matching(self, selector: AgentSelector, board: Board) -> tuple[int, ...]:
        found = []
        for number, (name, agent) in enumerate(self.keys):
            spec = board.fleet.agents.get(name) or AgentSpec(name, ())
            if selector.ids and not agent:
                continue
            fits = (
                matches(selector, agent, name, spec.labels)
                if agent
                else may_match(selector, name, spec.labels)
            )
            if fits:
                found.append(number)
        return tuple(found)


@dataclass(slots=True)
class Social:
    """The rules between groups; `fixed` are groups whose rule cannot be said so, which stay. `said`
    has hard ones in words, by their kind and number."""

    board: Board
    groups: Groups
    lenient: bool = False
    apart: list[Apart] = field(default_factory=list)
    together: list[Together] = field(default_factory=list)
    spread: list[Spread] = field(default_factory=list)
    skew: list[Skew] = field(default_factory=list)
    pulls: list[Pull] = field(default_factory=list)
    fixed: list[int] = field(default_factory=list)
    said: dict[tuple[str, int], str] = field(default_factory=dict)
    _needed: dict[str, list[str]] = field(default_factory=dict)  # labels by spec
    _partitions: dict[str, int] = field(default_factory=dict)

    @property
    def partitions(self) -> list[Ints]:
        """The domain of each node, by label. Nodes without it share theirs with none."""
        found = []
        for label in self._partitions:
            domains = self.board.domains(label)
            alone = len(domains.values) + np.arange(domains.codes.size)
            found.append(np.where(domains.codes < 0, alone, domains.codes))
        return found

    def labelled(self, spec: str) -> Bools:
        """The nodes with all labels that the spec's hard rules are about."""
        found = np.ones(len(self.board.names), np.bool_)
        for label in self._needed.get(spec, ()):
            found &= self.board.domains(label).codes >= 0
        return found

    def partition(self, label: str) -> int:
        if label == NODE:
            return NODES
        return self._partitions.setdefault(label, NODES + 1 + len(self._partitions))

    def need(self, spec: str, label: str) -> None:
        self._needed.setdefault(spec, []).append(label)

    def pull(self, groups: Sequence[int], others: Sequence[int], label: str, cost: float) -> None:
        """`cost` is what an agent pays that has all the others in its domain."""
        count = int(self.groups.count[list(others)].sum())
        if groups and count:
            pair = cost / count
            self.pulls.append(Pull(tuple(groups), tuple(others), self.partition(label), pair))


def social_rules(board: Board, groups: Groups, *, lenient: bool = False) -> Social:
    """The rules of all specs; soft ones attract or repel each pair of agents a little.

    Nodes without a label are taken as apart from each other, which is stricter than the filters;
    `lenient`: nothing is forbidden that the filters would let in.
    """
    found = Social(board, groups, lenient)
    for spec in board.fleet.agents.values():
        own = groups.of_spec(spec.name)
        for rule in rules_of(spec).anti_affinity:
            _keep_apart(found, rule, own, spec)
        for rule in rules_of(spec).affinity:
            _keep_together(found, rule, own, spec)
        for wide in rules_of(spec).spread:
            _spread(found, wide, own, spec)
        for spare in rules_of(spec).redundancy:
            if spare.weight is None:
                _redundant(found, spare, own, spec)
            else:
                found.pull(own, own, spare.across, PAIR * spare.weight)
    return found


def _redundant(found: Social, rule: Redundancy, own: tuple[int, ...], spec: AgentSpec) -> None:
    least = min(rule.at_least, spec.replicas)
    if found.lenient:
        least -= max(0, spec.replicas - int(found.groups.count[list(own)].sum()))
    else:
        found.need(spec.name, rule.across)
    found.said["spread", len(found.spread)] = (
        f"replicas of {spec.name} in {min(rule.at_least, spec.replicas)} of {rule.across}"
    )
    found.spread.append(Spread(own, found.partition(rule.across), least))


def _keep_apart(found: Social, rule: Affinity, own: tuple[int, ...], spec: AgentSpec) -> None:
    others = found.groups.matching(rule.agents, found.board)
    if rule.weight is not None:
        found.pull(own, others, rule.within, PAIR * rule.weight)
    elif others and not (found.lenient and (found.board.domains(rule.within).codes < 0).any()):
        partition = found.partition(rule.within)
        found.said["apart", len(found.apart)] = _said("anti-affinity", rule, spec)
        found.apart.append(Apart(own, others, partition))
        if _meet(found.board, rule, spec.name, alike=own == others):
            # Who is with others against a rule is worth moving. No such pair comes anew.
            found.pulls.append(Pull(own, others, partition, MEETING))


def _meet(board: Board, rule: Affinity, spec: str, *, alike: bool) -> bool:
    """Whether agents that are to be apart share a domain as things are."""
    domains = board.domains(rule.within)
    own = board.who.tally(AgentSelector(specs=(spec,)), rule.within, domains).there[:-1]
    others = board.who.tally(rule.agents, rule.within, domains).there[:-1]
    return bool(((own > 1) if alike else (own > 0) & (others > 0)).any())


def _keep_together(found: Social, rule: Affinity, own: tuple[int, ...], spec: AgentSpec) -> None:
    others = found.groups.matching(rule.agents, found.board)
    if rule.weight is not None:
        found.pull(own, others, rule.within, -PAIR * rule.weight)
        return
    found.need(spec.name, rule.within)
    if set(own) == set(others) or not set(own) & set(others):
        found.said["together", len(found.together)] = _said("affinity", rule, spec)
        found.together.append(Together(own, others, found.partition(rule.within)))
    else:
        found.fixed += [*own, *others]


def _spread(found: Social, rule: SpreadOver, own: tuple[int, ...], spec: AgentSpec) -> None:
    if rule.weight is not None:
        found.pull(own, own, rule.across, PAIR * rule.weight)
        return
    words = f"spread of {spec.name} over {rule.across}, at most {rule.max_skew} apart"
    found.said["skew", len(found.skew)] = words
    found.skew.append(Skew(own, found.partition(rule.across), rule.max_skew))
    found.need(spec.name, rule.across)


def _said(kind: str, rule: Affinity, spec: AgentSpec) -> str:
    return f"{kind} of {spec.name} to {described(rule.agents)} in the same {rule.within}"
