"""Plans that migrate agents: each comes to another node with what it knows, or stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from phoenixctl.model.errors import Refused, UsageError
from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.moving import Way
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Rejection
from phoenixctl.model.plan import Plan
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    NodeObservation,
    Snapshot,
)
from phoenixctl.model.state import State
from phoenixctl.planning import steps
from phoenixctl.planning.addresses import spec_name
from phoenixctl.planning.changes import moved, spec_changes
from phoenixctl.planning.copies import Copies
from phoenixctl.planning.digests import Digests
from phoenixctl.planning.draft import Draft, Turn
from phoenixctl.planning.known import Inventory, known_nodes
from phoenixctl.planning.needs import serves
from phoenixctl.planning.order import in_order
from phoenixctl.planning.rollout import Group, roll
from phoenixctl.planning.seating import Seating
from phoenixctl.planning.starting import fits_nowhere
from phoenixctl.planning.ways import said_of_way, way_of


def plan_migrate(
    agents: Sequence[AgentId],
    fleet: Fleet,
    state: State,
    snapshot: Snapshot,
    inventory: Inventory,
    *,
    to: NodeName | None = None,
    way: Way | None = None,
) -> Plan:
    """A migration of each of these agents: to that node, or to the best other one.

    `snapshot` covers `known_nodes`. `way`: None for that of their spec. UsageError for an agent
    that is not configured; Refused when one does not serve, lacks a hook, or has no room there.
    """
    known = replace(fleet, nodes=known_nodes(fleet, state, inventory))
    ordered = replace(snapshot, nodes=in_order(snapshot.nodes))
    migrating = _Migrating(known, state, ordered, to, way)
    moving = [migrating.look(agent) for agent in dict.fromkeys(agents)]
    for agent, seen in moving:
        if seen.node == to:
            migrating.unchanged.append(f"{agent.id} runs on {to} already")
    migrating.draft_all([(agent, seen) for agent, seen in moving if seen.node != to])
    where = f" to {to}" if to is not None else ""
    return Plan(
        f"migrate {', '.join(agent.id for agent, _ in moving)}{where}",
        migrating.draft.in_order(),
        tuple(migrating.unchanged),
        tuple(text for text, _ in migrating.draft.warnings),
        notes=tuple(dict.fromkeys((*migrating.notes, *migrating.seating.notes()))),
    )


@dataclass
class _Migrating:
    fleet: Fleet
    state: State
    snapshot: Snapshot
    to: NodeName | None
    way: Way | None
    draft: Draft = field(default_factory=Draft)
    unchanged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.copies, self.digests = Copies(self.snapshot), Digests()
        self.seating = Seating(self.fleet, dict(self.snapshot.nodes))

    def look(self, name: AgentId) -> tuple[Agent, AgentObservation]:
        """The agent and its one copy that serves."""
        spec = self.fleet.agents.get(spec_name(name))
        ordinal = name.rpartition("-")[2]
        if spec is None or not ordinal.isdigit() or int(ordinal) >= spec.replicas:
            raise UsageError(f"no agent {name} is configured", hint="phoenixctl agents ls")
        alive = self.copies.alive(name)
        if len(alive) != 1:
            where = " and ".join(seen.node for seen in alive)
            how = f"runs {len(alive)} times, on {where}" if alive else "does not run"
            raise Refused(f"{name} {how}, so it cannot be migrated", hint="phoenixctl plan")
        if alive[0].state is not AgentState.RUNNING:
            raise Refused(f"{name} is {alive[0].state}", hint="phoenixctl status")
        return Agent(spec, int(ordinal)), alive[0]

    def draft_all(self, moving: Sequence[tuple[Agent, AgentObservation]]) -> None:
        if not moving:
            return
        waiting = {agent.id for agent, _ in moving}
        self.seating.open(waiting, [(agent, seen.node) for agent, seen in moving])
        if self.to is not None:
            self._check(self.to)
        for agent, seen in moving:
            self._draft(agent, seen, self._place(agent, seen))
        roll(self.draft, self._groups({agent.spec.name for agent, _ in moving}))

    def _place(self, agent: Agent, seen: AgentObservation) -> NodeName:
        """Where it goes. Refused when it does not fit there, or nowhere."""
        nodes = self.seating.stands
        others = nodes if self.to is None else (nodes.keys() - {self.to})
        apart = {(agent.id, name) for name in others if name in nodes and self.to is not None}
        found = self.seating.seat([agent], apart={*apart, (agent.id, seen.node)})
        if agent.id in found.assigned:
            return found.assigned[agent.id]
        rejections = found.unplaced[agent.id]
        if self.to is None:
            raise Refused(fits_nowhere(agent.id, rejections), hint=f"phoenixctl explain {agent.id}")
        own = [rejection for rejection in rejections if rejection.node == self.to]
        raise Refused(
            f"{agent.id} does not fit on {self.to} ({_words(own)})",
            hint=f"phoenixctl explain {agent.id} --why-not {self.to}",
        )

    def _draft(self, agent: Agent, seen: AgentObservation, to: NodeName) -> None:
        way = way_of(agent.spec, self.way)
        if not serves(seen) and way is not Way.COLD:
            raise Refused(
                f"{agent.id} is not ready on {seen.node}, so it cannot hand over",
                hint=f"phoenixctl agents logs {agent.id}; or: --strategy cold",
            )
        digest = self.digests.of(agent.spec)
        changed = [moved(seen.node, to)]
        if seen.spec_digest != digest:
            before = self.state.specs.get(seen.spec_digest)
            changed += spec_changes(before, agent.spec, (seen.spec_digest, digest))
        step = steps.migrate(seen, to, way, "asked for", digest=digest, changed=tuple(changed))
        key = self.draft.add(step)
        self.notes.append(said_of_way(agent.spec, way))
        self.draft.take_turn(
            Turn(
                f"agent.{agent.spec.name}", agent.id, (key,), key,
                down=not serves(seen), takes_down=way is not Way.LIVE,
            )
        )  # fmt: skip

    def _groups(self, names: set[str]) -> dict[str, Group]:
        groups = {}
        for name in sorted(names):
            spec = self.fleet.agents[name]
            agents = [Agent(spec, ordinal).id for ordinal in range(spec.replicas)]
            down = {a for a in agents if not any(map(serves, self.copies.alive(a)))}
            setting = f"agents.{name}.rollout"
            groups[f"agent.{name}"] = Group(spec.rollout, spec.replicas, frozenset(down), setting)
        return groups

    def _check(self, to: NodeName) -> None:
        seen = self.snapshot.nodes.get(to)
        if seen is None:
            raise UsageError(f"no node {to} is known", hint="phoenixctl nodes ls")
        if not isinstance(seen, NodeObservation):
            raise Refused(
                f"{to} does not answer ({seen.error.kind})", hint=f"phoenixctl doctor --nodes {to}"
            )


def _words(rejections: Sequence[Rejection]) -> str:
    return ", ".join(f"{r.constraint}: needs {r.need}, has {r.have}" for r in rejections)
