"""Nodes are emptied: each agent on them moves, ends, or is stopped by somebody's wish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from phoenixctl.model.errors import Refused
from phoenixctl.model.fleet import Agent, Fleet, Order
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement
from phoenixctl.model.plan import Action, Breach, Plan, Stopping
from phoenixctl.model.snapshot import AgentObservation, AgentState, NodeObservation, Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning import steps
from phoenixctl.planning.copies import ALIVE, STANDBY, Copies, Hidden
from phoenixctl.planning.digests import Digests
from phoenixctl.planning.draft import Draft
from phoenixctl.planning.ground import Ground, Leaving
from phoenixctl.planning.known import Inventory, known_nodes
from phoenixctl.planning.making import Making
from phoenixctl.planning.members import members_of
from phoenixctl.planning.needs import Placed, serves
from phoenixctl.planning.order import in_order
from phoenixctl.planning.rollout import Group, roll
from phoenixctl.planning.seating import Seating
from phoenixctl.planning.starting import fits_nowhere
from phoenixctl.planning.ways import said_of_way

_SHOWN = 5


def reachable(
    nodes: Iterable[NodeName], snapshot: Snapshot, done: str
) -> tuple[NodeObservation, ...]:
    """These nodes as they were seen. Refused when one of them does not answer."""
    found = []
    for name in nodes:
        seen = snapshot.nodes[name]
        if not isinstance(seen, NodeObservation):
            raise Refused(
                f"{name} does not answer ({seen.error.kind}), so it cannot be {done}",
                hint=f"phoenixctl doctor --nodes {name}",
            )
        found.append(seen)
    return tuple(found)


@dataclass(slots=True)
class _Sorted:
    """The agents of nodes by what is done with them. `waits`: they were stopped by a drain that
    was cut off; `double`: they run on another node already, the second one."""

    moves: list[Placed] = field(default_factory=list)
    waits: list[Placed] = field(default_factory=list)
    double: list[tuple[AgentObservation, AgentObservation]] = field(default_factory=list)
    ends: list[tuple[AgentObservation, str]] = field(default_factory=list)


@dataclass
class Emptying:
    """Adds the steps that empty nodes to a draft; none of them takes what comes from another.

    `back` has by node the steps after which what was stopped starts there again, if it does.
    """

    fleet: Fleet
    copies: Copies
    draft: Draft
    making: Making
    seating: Seating
    leaving: frozenset[NodeName]
    stop: Stopping | None
    grace_seconds: float | None
    back: dict[NodeName, str] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    stopped: list[tuple[str, str]] = field(default_factory=list)  # group, step
    homeless: dict[AgentId, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        nodes: Sequence[NodeName],
        fleet: Fleet,
        state: State,
        snapshot: Snapshot,
        inventory: Inventory,
        *,
        stop: Stopping | None,
        grace_seconds: float | None,
    ) -> Emptying:
        """Nothing is drafted yet. `snapshot` covers `known_nodes`."""
        known = replace(fleet, nodes=known_nodes(fleet, state, inventory))
        ordered = replace(snapshot, nodes=in_order(snapshot.nodes))
        members = members_of(known, state, ordered, inventory)
        closed = {m.name for m in (*members.left, *members.abandoned)} | set(nodes)
        closed |= {m.name for m in members.everyone() if m.interrupted or m.halted}
        stands = {name: seen for name, seen in ordered.nodes.items() if name not in closed}
        copies, draft = Copies(ordered), Draft()
        making = Making(draft, known, state, Ground(), copies, Digests(), Hidden((), known.nodes))
        seating = Seating(known, stands)
        here = [ordered.nodes[name] for name in nodes]
        found = [a.id for node in here if isinstance(node, NodeObservation) for a in node.agents]
        alone = {a for a in found if all(c.node in nodes for c in copies.alive(a))}
        seating.open(alone, ())
        return cls(
            known, copies, draft, making, seating, frozenset(nodes), stop, grace_seconds
        )  # fmt: skip

    def cordon(
        self, node: NodeObservation, mark: str, why: str, after: Iterable[str] = (), rank: int = 0
    ) -> None:
        """Before anything else is done to the node."""
        first = tuple(after)
        if node.cordon is None:
            pool = self.fleet.nodes[node.name].pool
            step = replace(steps.cordon(node.name, mark, pool=pool), after=first)
            first = (self.draft.add(step),)
        else:
            self.unchanged.append(f"{node.name} is cordoned")
        self.making.ground.leaving[node.name] = Leaving(why, first, None, rank)

    def empty(self, nodes: Iterable[NodeObservation]) -> None:
        """Everything that is done to the agents of nodes that were cordoned."""
        found = _Sorted()
        for node in nodes:
            for seen in node.agents:
                self._sort(seen, node, found)
        for seen, why in found.ends:
            self._drain(seen, why)
        for seen, other in found.double:
            self._end_double(seen, other)
        placement = self._seats([p.agent for p in (*found.moves, *found.waits)])
        for placed in found.moves:
            to = placement.assigned.get(placed.agent.id)
            if to is not None:
                self._move(placed, to)
            else:
                self._unplaced(placed, placement)
        for placed in found.waits:
            self._start(placed, placement)

    def return_to(self, node: NodeObservation) -> None:
        """Start there again what was stopped, and runs nowhere, once the node takes agents."""
        for seen in node.agents:
            agent = self._wanted(seen)
            if agent is not None and not self.copies.alive(seen.id):
                self._again(agent, seen, ())

    def plan(self, title: str, again: str) -> Plan:
        """The plan; `again` is the command, to which the word can be added that has agents
        stopped."""
        self._line_up()
        for key, step in self.draft.steps.items():
            if self.grace_seconds is not None and step.action in (Action.DRAIN, Action.MIGRATE):
                over = f"{step.reason}, with the deadline given instead of its own"
                self.draft.steps[key] = replace(step, reason=over, grace_seconds=self.grace_seconds)
        return Plan(
            title,
            self.draft.in_order(),
            tuple(self.unchanged),
            notes=(*self._notes(), *self.draft.notes, *self.seating.notes()),
            breaches=tuple(self._breaches(again)),
        )

    def _sort(self, seen: AgentObservation, node: NodeObservation, found: _Sorted) -> None:
        agent = self._wanted(seen)
        leaving = self.making.ground.leaving[node.name]
        others = [c for c in self.copies.alive(seen.id) if c is not seen]
        away = [copy for copy in others if copy.node not in self.leaving]
        if seen.state not in ALIVE:
            owed = seen.state is AgentState.STOPPED and node.cordon is not None and not others
            if agent is not None and owed and (self.back or self.stop is not Stopping.ALL):
                found.waits.append(Placed(agent, seen, "it was stopped to be moved", leaving))
            else:
                self.unchanged.append(f"{seen.id} is {seen.state}")
        elif self.stop is Stopping.ALL:
            found.ends.append((seen, f"it is {seen.state}"))
        elif seen.role == STANDBY:
            found.ends.append((seen, "it is a standby"))
        elif agent is None:
            found.ends.append((seen, "the configuration has no such agent any more"))
        elif away:
            found.double.append((seen, away[0]))
        elif any((o.epoch, o.node) > (seen.epoch, seen.node) for o in others):
            found.ends.append((seen, "it runs more than once"))
        else:
            found.moves.append(Placed(agent, seen, leaving.why, leaving))

    def _wanted(self, seen: AgentObservation) -> Agent | None:
        spec = self.fleet.agents.get(seen.spec_name)
        return Agent(spec, seen.ordinal) if spec and seen.ordinal < spec.replicas else None

    def _seats(self, agents: Sequence[Agent]) -> Placement:
        """Nobody who is not on these nodes gives way."""
        return self.seating.seat([_polite(agent) for agent in agents], thorough=True)

    def _move(self, placed: Placed, to: NodeName) -> None:
        """How one agent comes to another node: it migrates, or starts there anew without its
        state."""
        self.making.move(placed, to)
        first = placed.leaving.first if placed.leaving is not None else ()
        start = f"{Action.START} {placed.agent.id}@{to}"
        if start in self.draft.steps:
            self.draft.wait(start, first)

    def _start(self, placed: Placed, placement: Placement) -> None:
        """What a drain that was cut off has stopped."""
        agent, to = placed.agent, placement.assigned.get(placed.agent.id)
        if to is not None and self.stop is not Stopping.ALL:
            self.making.start(agent, to)
        elif self.stop is not None:
            self._again(agent, placed.seen, ())
            self.unchanged.append(f"{agent.id} is {placed.seen.state}")
        else:
            self.homeless[agent.id] = fits_nowhere(agent.id, placement.unplaced[agent.id])

    def _unplaced(self, placed: Placed, placement: Placement) -> None:
        why = fits_nowhere(placed.agent.id, placement.unplaced[placed.agent.id])
        if self.stop is None:
            self.homeless[placed.agent.id] = why
        else:
            key = self._drain(placed.seen, "no other node takes it")
            self.stopped.append((f"agent.{placed.agent.spec.name}", key))
            self.draft.notes.append(f"{placed.agent.id} is stopped: {why}")

    def _end_double(self, seen: AgentObservation, other: AgentObservation) -> None:
        """It runs elsewhere; when it is not ready there yet, that is waited for."""
        agent = self._wanted(seen)
        after: tuple[str, ...] = ()
        digest = self.making.digests.of(agent.spec) if agent else ""
        if agent is not None and not serves(other) and other.spec_digest == digest:
            why = "it was started there and is not ready yet"
            again = steps.start(seen.id, other.node, why, digest=digest, changed=())
            after = (self.draft.add(again),)
        self._drain(seen, f"it runs on {other.node}", after)

    def _drain(self, seen: AgentObservation, why: str, after: Iterable[str] = ()) -> str:
        """Let it finish and stop it, for good or until its node is back."""
        first = (*self.making.ground.leaving[seen.node].first, *after)
        key = self.draft.add(steps.end(Action.DRAIN, seen, why, after=first))
        agent = self._wanted(seen)
        if agent is not None and not any(
            copy.node not in self.leaving for copy in self.copies.alive(seen.id)
        ):
            self._again(agent, seen, (key,))
        return key

    def _again(self, agent: Agent, seen: AgentObservation, after: Iterable[str]) -> None:
        """Start it where it was, once its node is back."""
        back = self.back.get(seen.node)
        if back is not None:
            why, digest = "its node is back", self.making.digests.of(agent.spec)
            again = steps.start(seen.id, seen.node, why, digest=digest, after=(*after, back))
            self.draft.add(again)

    def _line_up(self) -> None:
        """No more of a spec are under way at once than its rollout allows; what is stopped by wish
        comes after them."""
        groups = {}
        for name, spec in self.fleet.agents.items():
            agents = [Agent(spec, ordinal).id for ordinal in range(spec.replicas)]
            down = {a for a in agents if not any(map(serves, self.copies.alive(a)))}
            setting = f"agents.{name}.rollout"
            groups[f"agent.{name}"] = Group(
                spec.rollout, spec.replicas, frozenset(down), setting
            )  # fmt: skip
        roll(self.draft, groups)
        for group, key in self.stopped:
            self.draft.wait(key, [turn.last for turn in self.draft.live_turns(group)])

    def _notes(self) -> Iterator[str]:
        """What moving costs, spec by spec."""
        moving = {turn.subject for turns in self.draft.turns.values() for turn in turns}
        for spec in self.fleet.agents.values():
            if not any(Agent(spec, ordinal).id in moving for ordinal in range(spec.replicas)):
                continue
            if spec.migration is not None:
                yield said_of_way(spec)
                continue
            if spec.rollout.order is not Order.SURGE:
                how = f"its old one goes first (agents.{spec.name}.rollout.order)"
                yield f"each agent of {spec.name} is down for a moment: {how}"
            elif spec.drain is None:
                yield f"agents of {spec.name} are stopped with what they are at: they have no drain"

    def _breaches(self, again: str) -> Iterator[Breach]:
        """All has to fit before anything is begun."""
        if self.homeless:
            first = next(iter(self.homeless))
            shown = list(self.homeless.values())[:_SHOWN]
            more = len(self.homeless) - len(shown)
            yield Breach(
                "no_other_place",
                "; ".join((*shown, *([f"and {more} more"] if more else []))),
                f"phoenixctl explain {first}; to stop what has no other place:"
                f" {again} {Stopping.UNPLACED}",
            )
        for text, _ in self.draft.warnings:
            yield Breach("max_unavailable", text, f"to stop them all the same: {again} all")


def _polite(agent: Agent) -> Agent:
    """The agent, for which nobody has to give way."""
    rules = agent.spec.rules
    if rules is None or not rules.preempts:
        return agent
    return replace(agent, spec=replace(agent.spec, rules=replace(rules, preempts=False)))
