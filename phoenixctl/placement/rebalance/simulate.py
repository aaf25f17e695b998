"""Every move of a plan tried out on dictionaries, by the words of the configuration.

Nothing of the solver is used here: what it got wrong is found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from phoenixctl.model.fleet import Agent, AgentSpec, Fleet, Node
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.rules import NODE, Affinity, AgentSelector
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.candidates import living
from phoenixctl.placement.filters.every import LASTING, LOCAL
from phoenixctl.placement.labels import label_of, matches
from phoenixctl.placement.rebalance.result import Move, Refusal
from phoenixctl.placement.rules import rules_of

Broken: TypeAlias = Mapping[tuple[str, ...], float]

_SLACK: Final = 1e-9


def simulate(
    fleet: Fleet, snapshot: Snapshot, waves: Sequence[Sequence[Move]]
) -> tuple[Refusal, ...]:
    """The moves that break something further than it was: none when the plan is sound.

    Each wave is made in its order and in the opposite one; agents hold their room on both nodes
    while it lasts. It ends with the first wave in which anything is refused.
    """
    board = Board.of(fleet, snapshot)
    world = _World.of(board, snapshot)
    for wave in waves:
        refused = dict.fromkeys(
            (
                *_let_in(board, fleet, wave),
                *_in_order(world, wave),
                *_in_order(world, tuple(reversed(wave))),
            )
        )
        if refused:
            return tuple(refused)
        for move in wave:
            board.withdraw(move.agent, move.source)
            world.where[move.agent] = move.target
    return ()


def _let_in(board: Board, fleet: Fleet, wave: Sequence[Move]) -> Iterator[Refusal]:
    """Whether each node takes its agents, the last of them too, while all hold what they had. Rules
    about neighbours are judged by what they come to, for one that is broken already may stay so."""
    agents = {move: _agent(move.agent, fleet) for move in wave}
    known = {move: agent for move, agent in agents.items() if agent is not None}
    for move in wave:
        if move not in known:
            yield Refusal(move, "its spec is not in the configuration")
    for move, agent in known.items():
        board.promise(agent, move.target)
    for move, agent in known.items():
        board.withdraw(agent.id, move.target)
        for constraint in (*LASTING, *LOCAL):
            for found in constraint.why(agent, board, board.number[move.target]):
                why = f"{found.constraint}: needs {found.need}, {found.node} has {found.have}"
                yield Refusal(move, why)
        board.promise(agent, move.target)


def _in_order(world: _World, wave: Sequence[Move]) -> Iterator[Refusal]:
    """Whether the rules hold after each move, for all agents and not just the one that moves."""
    rules = world.concerning(move.agent for move in wave)
    before = world.broken(rules)
    start = dict(world.where)
    for move in wave:
        if world.where.get(move.agent) != move.source:
            yield Refusal(move, f"it is not on {move.source} then")
        world.where[move.agent] = move.target
        for what, amount in world.broken(rules).items():
            if amount > before.get(what, 0.0) + _SLACK:
                yield Refusal(move, " ".join(what))
    world.where = start


@dataclass(frozen=True, slots=True)
class _Rule:
    """A hard rule of a spec: `kind` is apart, together, spread or redundant."""

    kind: str
    spec: AgentSpec
    label: str
    number: int = 0
    agents: AgentSelector = field(default_factory=AgentSelector)


@dataclass
class _World:
    """Which agent is on which node. Agents that are on several are left out: they do not move."""

    fleet: Fleet
    where: dict[AgentId, NodeName] = field(default_factory=dict)
    still: dict[AgentId, tuple[NodeName, ...]] = field(default_factory=dict)
    open_to: dict[str, frozenset[NodeName]] = field(default_factory=dict)  # by spec
    _domains: dict[str, dict[NodeName, str]] = field(default_factory=dict)
    _members: dict[tuple[object, ...], list[AgentId]] = field(default_factory=dict)

    @classmethod
    def of(cls, board: Board, snapshot: Snapshot) -> _World:
        places: dict[AgentId, list[NodeName]] = defaultdict(list)
        for name, observed in snapshot.nodes.items():
            if name in board.number:
                for seen in living(observed):
                    places[seen.id].append(name)
        return cls(
            board.fleet,
            {agent: nodes[0] for agent, nodes in places.items() if len(nodes) == 1},
            {agent: tuple(nodes) for agent, nodes in places.items() if len(nodes) > 1},
            {
                name: frozenset(
                    node for node, takes in zip(board.names, board.lasting(spec), strict=True)
                    if takes
                )
                for name, spec in board.fleet.agents.items()
            },
        )  # fmt: skip

    def concerning(self, agents: Iterable[AgentId]) -> list[_Rule]:
        """The hard rules that are about any of these agents."""
        moving = [(agent, _spec_name(agent)) for agent in agents]
        own = {name for _, name in moving}
        return [
            rule
            for rule in self._rules()
            if rule.spec.name in own
            or (
                rule.kind in ("apart", "together")
                and any(self._fits(rule.agents, agent) for agent, _ in moving)
            )
        ]

    def broken(self, rules: Iterable[_Rule]) -> Broken:
        """How far each of these rules is broken now, and where."""
        found: dict[tuple[str, ...], float] = {}
        for rule in rules:
            own = self._by_domain(AgentSelector(specs=(rule.spec.name,)), rule.label)
            for domain, amount in self._amounts(rule, own):
                if amount > 0:
                    found[rule.kind, rule.spec.name, "by", rule.label, domain] = amount
        return found

    def _amounts(
        self, rule: _Rule, own: Mapping[str, list[AgentId]]
    ) -> Iterator[tuple[str, float]]:
        if rule.kind == "redundant":
            yield "", min(rule.number, rule.spec.replicas) - sum(d != "" for d in own)
        elif rule.kind == "spread":
            counts = {domain: len(agents) for domain, agents in own.items()}
            domains = self._domains_of(rule.label)
            usable = {domains[node] for node in self.open_to[rule.spec.name]}
            fewest = min((counts.get(domain, 0) for domain in usable if domain), default=0)
            for domain, count in counts.items():
                yield domain, count - fewest - rule.number if domain else count
        else:
            others = self._by_domain(rule.agents, rule.label)
            total = len({agent for agents in others.values() for agent in agents})
            for domain, agents in own.items():
                met = Counter(others.get(domain, ()))
                if rule.kind == "apart":
                    yield domain, sum(met.total() - met[a] for a in agents) if domain else 0.0
                else:
                    alone = [a for a in agents if not (met.total() - met[a] and domain)]
                    first = total == 1 and self._fits(rule.agents, agents[0])
                    yield domain, 0.0 if first else float(len(alone))

    def _rules(self) -> Iterator[_Rule]:
        for spec in self.fleet.agents.values():
            rules = rules_of(spec)
            yield from (_near(rule, spec, "apart") for rule in rules.anti_affinity if _hard(rule))
            yield from (_near(rule, spec, "together") for rule in rules.affinity if _hard(rule))
            for wide in rules.spread:
                if wide.weight is None:
                    yield _Rule("spread", spec, wide.across, wide.max_skew)
            for spare in rules.redundancy:
                if spare.weight is None:
                    yield _Rule("redundant", spec, spare.across, spare.at_least)

    def _by_domain(self, selector: AgentSelector, label: str) -> Mapping[str, list[AgentId]]:
        """The matching agents by the value of a label; an empty one has those without."""
        found: dict[str, list[AgentId]] = defaultdict(list)
        domains = self._domains_of(label)
        for agent in self._matching(selector):
            node = self.where.get(agent)
            for place in (node,) if node is not None else self.still[agent]:
                found[domains[place]].append(agent)
        return found

    def _matching(self, selector: AgentSelector) -> list[AgentId]:
        labels = tuple(sorted(selector.labels.items()))
        key = (selector.ids, selector.specs, labels)
        if key not in self._members:
            everyone = (*self.where, *self.still)
            self._members[key] = [agent for agent in everyone if self._fits(selector, agent)]
        return self._members[key]

    def _fits(self, selector: AgentSelector, agent: AgentId) -> bool:
        name = _spec_name(agent)
        spec = self.fleet.agents.get(name)
        return matches(selector, agent, name, spec.labels if spec is not None else {})

    def _domains_of(self, label: str) -> Mapping[NodeName, str]:
        if label not in self._domains:
            self._domains[label] = {
                name: name if label == NODE else self._value(label, node)
                for name, node in self.fleet.nodes.items()
            }
        return self._domains[label]

    def _value(self, label: str, node: Node) -> str:
        return label_of(label, node, self.fleet.pools.get(node.pool)) or ""


def _near(rule: Affinity, spec: AgentSpec, kind: str) -> _Rule:
    return _Rule(kind, spec, rule.within, agents=rule.agents)


def _hard(rule: Affinity) -> bool:
    return rule.weight is None


def _agent(agent: AgentId, fleet: Fleet) -> Agent | None:
    spec = fleet.agents.get(_spec_name(agent))
    return None if spec is None else Agent(spec, int(agent.rpartition("-")[2]))


def _spec_name(agent: AgentId) -> str:
    return agent.rpartition("-")[0]
