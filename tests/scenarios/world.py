"""A fleet that exists only in memory: plans change it, and it can be looked at like a real one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from phoenixctl.model.fleet import AgentSpec, Fleet, Guards, Node, Resources, Share
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan, Step
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    Cordon,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)
from phoenixctl.model.state import AgentRecord, NodeRecord, Patch, State, patched
from phoenixctl.planning.difference import Scope, plan_changes
from phoenixctl.planning.known import STATIC, Inventory, is_configured, known_nodes
from phoenixctl.remote.agents import spec_digest
from phoenixctl.remote.spot_watch import SPOT_WATCH
from tests.builders import GiB, agent, seen, silent, snapshot

ALIVE = (AgentState.RUNNING, AgentState.STARTING)
LINEAGE = "lineage-1"
UNGUARDED = Guards(max_destroy=Share(ratio=1.0), max_disruption=Share(ratio=1.0))

Place = tuple[AgentId, NodeName]


@dataclass
class World:
    """Which agent is where in which state, started with what; which nodes are cut off, cordoned or
    taken away. `made` are the nodes that providers have, `doubles` instances beside them, by id."""

    fleet: Fleet
    agents: dict[Place, AgentState] = field(default_factory=dict)
    epochs: dict[Place, int] = field(default_factory=dict)
    specs: dict[Place, AgentSpec] = field(default_factory=dict)
    cut_off: set[NodeName] = field(default_factory=set)
    cordoned: set[NodeName] = field(default_factory=set)
    taken_away: set[NodeName] = field(default_factory=set)  # by their provider, soon
    made: dict[NodeName, Instance] = field(default_factory=dict)
    doubles: dict[str, Instance] = field(default_factory=dict)
    state: State = field(default_factory=lambda: State("test", LINEAGE, 1))
    bootstraps: Mapping[str, str] = field(default_factory=dict)
    capacity: Resources = field(default_factory=lambda: Resources(cpu=4.0, memory=GiB(8)))

    # What can be seen of it.

    def look(self) -> Snapshot:
        return snapshot(*(self._node(name) for name in self.nodes()))

    def nodes(self) -> Mapping[NodeName, Node]:
        return known_nodes(self.fleet, self.state, self.inventory())

    def inventory(self) -> Inventory:
        there = (*self.made.values(), *self.doubles.values())
        return {
            pool.name: tuple(i for i in there if i.node.pool == pool.name)
            for pool in self.fleet.pools.values()
            if pool.provider != STATIC
        }

    def plan(self, scope: Scope | None = None, guards: Guards = UNGUARDED) -> Plan:
        return plan_changes(
            self.fleet, self.state, self.look(), self.inventory(), config_digest="c",
            bootstrap_digests=self.bootstraps, scope=scope or Scope(), guards=guards,
        )  # fmt: skip

    def running(self) -> dict[str, list[str]]:
        """Where each agent really runs, also on nodes that nobody can see."""
        found: dict[str, list[str]] = {a.id: [] for a in self.fleet.instances()}
        for (a, n), state in sorted(self.agents.items()):
            if state in ALIVE:
                found.setdefault(a, []).append(n)
        return found

    def answers(self, name: NodeName) -> bool:
        return name not in self.cut_off and self._is_there(name)

    def _node(self, name: NodeName) -> NodeObservation | NodeUnobserved:
        if not self.answers(name):
            return silent(name)
        there = [self._agent(place) for place in self.agents if place[1] == name]
        found = seen(name, *there, cores=self.capacity.cpu, memory=self.capacity.memory)
        record = self.state.nodes.get(name)
        by = SPOT_WATCH if name in self.taken_away else "op@here"
        cordon = Cordon(by, "2026-01-01T00:00:00Z", "test")
        marked = name in self.cordoned or name in self.taken_away
        joined = record.joined if record else ""
        return replace(found, cordon=cordon if marked else None, joined=joined)

    def _agent(self, place: Place) -> AgentObservation:
        spec = self.specs.get(place) or self.fleet.agents[place[0].rpartition("-")[0]]
        return agent(place[0], self.agents[place], epoch=self.epochs[place], of=spec)

    def _is_there(self, name: NodeName) -> bool:
        return name in self.made or (name in self.nodes() and name not in self._created())

    def _created(self) -> set[NodeName]:
        return {n for n, record in self.state.nodes.items() if record.provider != STATIC}

    # What is done to it.

    def carry_out(self, plan: Plan, *, lost: Iterable[int] = ()) -> None:
        """Do the plan's steps in order; those numbered in `lost` and what waits for them are not
        done, as when a run is killed or a node refuses."""
        undone: set[str] = set()
        self.opened(plan)
        for number, step in enumerate(plan.steps):
            if number in lost or undone & set(step.after):
                undone.add(step.key)
            else:
                self.begin(step)
                self.end(step)

    def opened(self, plan: Plan) -> None:
        """Its serial grows, and what is to be started is recorded."""
        starting = {spec_digest(spec): spec for spec in self.fleet.agents.values()}
        self.state = replace(self.state, serial=self.state.serial + 1)
        self._record(Patch(specs=starting))
        del plan

    def begin(self, step: Step) -> None:
        """From now on it is in between: what it takes down is down."""
        assert step.node not in self.cut_off or step.action is Action.DESTROY, step.key
        match step.action:
            case Action.UPDATE | Action.RESTART | Action.STOP | Action.DRAIN:
                assert self.agents.get(self._place(step)) is not None, step.key
                self.agents[self._place(step)] = AgentState.STOPPED
            case Action.START:
                assert step.node not in self.cordoned | self.taken_away, step.key
                assert self._is_there(step.node), step.key
            case Action.CREATE:
                assert step.node not in self.made, step.key
            case Action.DESTROY if step.instance in self.doubles:
                assert self.doubles.pop(step.instance).lineage == LINEAGE, step.key
            case Action.DESTROY:
                record = self.state.nodes.get(step.node)
                assert (record is None) is bool(step.instance), step.key
                assert record is None or not record.protected, step.key
                there = [a for (a, n), s in self.agents.items() if n == step.node and s in ALIVE]
                assert not there or step.node in self.cut_off, step.key
                self._vanish(step.node)
            case Action.FORGET:
                there = [a for (a, n), s in self.agents.items() if n == step.node and s in ALIVE]
                assert not there, step.key

    def end(self, step: Step) -> None:
        """It has ended well: what it brings up is up, and the record tells of it."""
        match step.action:
            case Action.CORDON:
                self.cordoned.add(step.node)
            case Action.UNCORDON:
                self.cordoned.discard(step.node)
            case Action.START | Action.UPDATE | Action.RESTART:
                self._started(step)
            case Action.STOP | Action.DRAIN:
                self._ended(step)
            case _:
                self._node_changed(step)

    def _node_changed(self, step: Step) -> None:
        name = step.node
        match step.action:
            case Action.CREATE:
                pool = self.fleet.pools[step.pool]
                node = Node(name, pool.name, address="10.0.0.1", labels=pool.labels)
                self.made[name] = Instance(node, f"i-{name}", lineage=LINEAGE)
                record = NodeRecord(node, pool.provider, f"i-{name}", protected=pool.protected)
                self._record(Patch(nodes={name: record}))
            case Action.JOIN:
                self._joined(name)
            case Action.DESTROY | Action.FORGET if not step.instance:
                self._record(Patch(nodes={name: None}))
                gone = {a: None for a, r in self.state.agents.items() if r.node == name}
                self._record(Patch(agents=gone))
            case Action.PROTECT | Action.UNPROTECT:
                record = self.state.nodes[name]
                on = step.action is Action.PROTECT
                self._record(Patch(nodes={name: replace(record, protected=on)}))

    def _joined(self, name: NodeName) -> None:
        record = self.state.nodes.get(name)
        if record is None:
            assert is_configured(self.fleet.nodes[name], self.fleet), name
            record = NodeRecord(self.fleet.nodes[name], STATIC, name)
        joined = self.bootstraps.get(record.node.pool, "none")
        self._record(Patch(nodes={name: replace(record, joined=joined)}))

    def _started(self, step: Step) -> None:
        place = self._place(step)
        everywhere = [e for (a, _), e in self.epochs.items() if a == place[0]]
        self.agents[place] = AgentState.RUNNING
        self.epochs[place] = max(everywhere, default=0) + 1
        spec = self.fleet.agents.get(place[0].rpartition("-")[0])
        if spec is None or spec_digest(spec) != step.spec_digest:
            spec = self.state.specs[step.spec_digest]
        self.specs[place] = spec
        record = AgentRecord(place[0], step.node, spec_digest(spec), self.epochs[place])
        self._record(Patch(agents={place[0]: record}))

    def _ended(self, step: Step) -> None:
        agent_id = self._place(step)[0]
        record = self.state.agents.get(agent_id)
        if record is not None and record.node == step.node:
            self._record(Patch(agents={agent_id: None}))

    def _vanish(self, name: NodeName) -> None:
        self.made.pop(name, None)
        for marks in (self.cut_off, self.cordoned, self.taken_away):
            marks.discard(name)
        for place in [place for place in self.agents if place[1] == name]:
            del self.agents[place]

    def vanish(self, name: NodeName) -> None:
        """The provider loses the node, and nobody records it."""
        self._vanish(name)

    def _record(self, patch: Patch) -> None:
        self.state = patched(self.state, patch)

    @staticmethod
    def _place(step: Step) -> Place:
        assert step.agent is not None
        return step.agent, step.node
