"""A rebalance as a plan: every move is a start and a drain, every wave waits for the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Agent, AgentSpec, Fleet, Guards, Order
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Basis, Plan, Step
from phoenixctl.model.rules import Rebalancing
from phoenixctl.model.snapshot import AgentObservation, Snapshot
from phoenixctl.model.state import State
from phoenixctl.placement.rebalance.rebalancing import rebalance
from phoenixctl.placement.rebalance.result import Move, Rebalance
from phoenixctl.planning import steps
from phoenixctl.planning.addresses import about, spec_name
from phoenixctl.planning.changes import moved
from phoenixctl.planning.copies import Copies
from phoenixctl.planning.digests import Digests
from phoenixctl.planning.guarding import breaches
from phoenixctl.planning.known import STATIC, Inventory, known_nodes
from phoenixctl.planning.members import Members, members_of
from phoenixctl.planning.needs import serves
from phoenixctl.planning.order import in_order, sorted_names
from phoenixctl.planning.rollout import allowance
from phoenixctl.planning.scope import Scope, matches
from phoenixctl.planning.ways import said_of_way, way_of

_EVERYTHING = Scope()
_SHOWN: Final = 3  # pairs that cannot change places


@dataclass(frozen=True, slots=True)
class Rebalanced:
    """The plan, and what it is for."""

    plan: Plan
    found: Rebalance


def plan_rebalance(
    fleet: Fleet,
    state: State,
    snapshot: Snapshot,
    inventory: Inventory,
    settings: Rebalancing,
    *,
    config_digest: str,
    seed: int = 0,
    exact: bool = False,
    scope: Scope = _EVERYTHING,
    guards: Guards | None = None,
) -> Rebalanced:
    """At most so many moves as the settings allow, each with what it gains as its reason.

    `snapshot` covers `known_nodes`. Moves are for agents that serve with the specification that is
    configured, one copy of each; `scope` narrows them by agents, and by the nodes and pools that
    they are on; what it excludes takes none either. UsageError when it names what there is not.
    `exact`: the search looks closer, by ortools.
    """
    known = replace(fleet, nodes=known_nodes(fleet, state, inventory))
    ordered = replace(snapshot, nodes=in_order(snapshot.nodes))
    members = members_of(known, state, ordered, inventory)
    still = _still(known, ordered, members, scope)
    found = rebalance(
        known,
        ordered,
        settings,
        movable=still.moves,
        at_once=still.at_once,
        closed=still.closed,
        seed=seed,
        exact=exact,
    )
    drafted = _Drafting(known, still.copies, found)
    drafted.draft()
    return Rebalanced(
        Plan(
            title=f"rebalance: {settings.goal}",
            steps=tuple(drafted.steps),
            notes=(*drafted.notes(), *still.notes()),
            breaches=tuple(
                breaches(
                    drafted.steps,
                    guards or fleet.guards,
                    still.copies,
                    nodes={member.name for member in members.everyone()},
                    spared=(),
                )
            ),
            basis=Basis(fleet.name, state.lineage, state.serial, config_digest),
        ),
        found,
    )


@dataclass
class _Still:
    """Which agents may move, and why others do not."""

    fleet: Fleet
    copies: Copies
    scope: Scope
    closed: frozenset[NodeName]  # nodes that are not to stay, or are excluded
    at_once: dict[str, int] = field(default_factory=dict)
    _may: set[AgentId] = field(default_factory=set)
    _why: dict[str, list[AgentId]] = field(default_factory=dict)

    def moves(self, agent: AgentId) -> bool:
        return agent in self._may

    def look(self, agent: Agent, digests: Digests) -> None:
        """Whether it may move."""
        alive = self.copies.alive(agent.id)
        if not alive:
            return
        seen = alive[0]
        node = self.fleet.nodes[seen.node]
        if not self.scope.concerns((*about(agent.id), f"node.{node.name}", f"pool.{node.pool}")):
            return
        why = self._keeps(agent, alive, digests)
        if why is None:
            self._may.add(agent.id)
        else:
            self._why.setdefault(why, []).append(agent.id)

    def count(self, spec: AgentSpec) -> None:
        """How many of a spec may be under way: all if the new one is there before the old one
        goes."""
        agents = [Agent(spec, ordinal).id for ordinal in range(spec.replicas)]
        down = sum(not any(map(serves, self.copies.alive(agent))) for agent in agents)
        most = allowance(spec.rollout, spec.replicas) - down
        if spec.rollout.order is Order.SURGE:
            most = spec.replicas
        self.at_once[spec.name] = max(0, most)

    def notes(self) -> list[str]:
        return [f"{_some(agents)}: left where it is, {why}" for why, agents in self._why.items()]

    def _keeps(
        self, agent: Agent, alive: Sequence[AgentObservation], digests: Digests
    ) -> str | None:
        if len(alive) > 1:
            return "for it runs more than once; see: phoenixctl plan"
        if not serves(alive[0]):
            return "for it does not serve now"
        if alive[0].spec_digest != digests.of(agent.spec):
            return "for it runs an older spec; see: phoenixctl plan"
        if not self.at_once[agent.spec.name]:
            return f"for no more may be down at once; see agents.{agent.spec.name}.rollout"
        return None


def _still(fleet: Fleet, snapshot: Snapshot, members: Members, scope: Scope) -> _Still:
    _check_addresses(fleet, scope)
    leaving = {m.name for m in (*members.left, *members.abandoned)}
    leaving |= {m.name for m in members.everyone() if m.interrupted or m.halted}
    barred = {
        node.name
        for node in fleet.nodes.values()
        if any(
            matches(pattern, (f"node.{node.name}", f"pool.{node.pool}"))
            for pattern in scope.excludes
        )
    }
    still = _Still(fleet, Copies(snapshot), scope, frozenset(leaving | barred))
    digests = Digests()
    for spec in fleet.agents.values():
        still.count(spec)
        for ordinal in range(spec.replicas):
            still.look(Agent(spec, ordinal), digests)
    return still


def _check_addresses(fleet: Fleet, scope: Scope) -> None:
    known = {address for agent in fleet.instances() for address in about(agent.id)}
    known |= {f"node.{name}" for name in fleet.nodes} | {f"pool.{name}" for name in fleet.pools}
    for pattern in (*scope.targets, *scope.excludes):
        if not matches(pattern, known):
            raise UsageError(
                f"{pattern} is no agent, node or pool of the fleet", hint="phoenixctl status"
            )


@dataclass
class _Drafting:
    """The steps of all waves."""

    fleet: Fleet
    copies: Copies
    found: Rebalance
    steps: list[Step] = field(default_factory=list)
    _at: dict[AgentId, AgentObservation] = field(default_factory=dict)  # if it has moved already
    _digests: Digests = field(default_factory=Digests)

    def draft(self) -> None:
        before: tuple[str, ...] = ()
        for wave in self.found.waves:
            moving = [self._move(move, before) for move in wave]
            self.steps += [step for steps_of_move in moving for step in steps_of_move]
            before = tuple(steps_of_move[-1].key for steps_of_move in moving)

    def notes(self) -> Iterator[str]:
        """What a person should know beside the steps."""
        moving = {self._spec(move).name: self._spec(move) for move in self.found.moves}
        for spec in moving.values():
            if spec.migration is not None:
                yield said_of_way(spec)
            elif spec.rollout.order is not Order.SURGE:
                how = f"its old one goes first (agents.{spec.name}.rollout.order)"
                yield f"each agent of {spec.name} is down for a moment: {how}"
            elif spec.drain is None:
                yield f"agents of {spec.name} are stopped with what they are at: they have no drain"
        for refusal in self.found.refused:
            move = refusal.move
            yield f"{move.agent} stays on {move.source}, {move.target} is not for it: {refusal.why}"
        for one, other in self.found.blocked[:_SHOWN]:
            yield f"{one} and {other} would change places, but no node has room for one meanwhile"
        by_pool: dict[str, list[NodeName]] = {}
        for name in self.found.emptied:
            by_pool.setdefault(self.fleet.nodes[name].pool, []).append(name)
        for pool, nodes in by_pool.items():
            yield _emptied(pool, nodes, self.fleet)

    def _move(self, move: Move, before: tuple[str, ...]) -> tuple[Step, ...]:
        """The steps of a move, the last of them last: a migration, or a start and a drain in the
        order of the spec's rollout."""
        spec, why = self._spec(move), self.found.why[move]
        seen = self._at.get(move.agent) or self.copies.alive(move.agent)[0]
        if spec.migration is not None:
            self._at[move.agent] = replace(seen, node=move.target)
            return (self._migration(move, seen, before),)
        start = steps.start(
            move.agent,
            move.target,
            f"it moves: {why}",
            digest=self._digests.of(spec),
            after=before,
            changed=(moved(move.source, move.target),),
        )
        end = steps.end(Action.DRAIN, seen, f"it moves to {move.target}: {why}", after=before)
        self._at[move.agent] = replace(seen, node=move.target)
        if spec.rollout.order is Order.SURGE:
            return start, replace(end, after=(*before, start.key))
        return end, replace(start, after=(*before, end.key))

    def _migration(self, move: Move, seen: AgentObservation, before: tuple[str, ...]) -> Step:
        spec = self._spec(move)
        return steps.migrate(
            seen,
            move.target,
            way_of(spec),
            f"it moves: {self.found.why[move]}",
            digest=self._digests.of(spec),
            changed=(moved(move.source, move.target),),
            after=before,
        )

    def _spec(self, move: Move) -> AgentSpec:
        return self.fleet.agents[spec_name(move.agent)]


def _emptied(pool: str, nodes: Sequence[NodeName], fleet: Fleet) -> str:
    names, last = ", ".join(sorted_names(nodes)), len(nodes) == 1
    empty = f"{names} {'has' if last else 'have'} no agent then"
    configured = fleet.pools.get(pool)
    if configured is None or configured.provider == STATIC:
        return empty
    there = sum(node.pool == pool for node in fleet.nodes.values())
    return (
        f"{empty}; without {'it' if last else 'them'}: phoenixctl scale {pool} {there - len(nodes)}"
    )


def _some(agents: Iterable[AgentId]) -> str:
    shown = sorted_names(agents)
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more
