"""The nodes as arrays, with what was promised on each so far."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np

from phoenixctl.model.fleet import Agent, AgentSpec, Fleet, Node, Pool
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Rejection
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import BY_DEFAULT, NODE, AgentSelector, PlacementSettings
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.placement.candidates import living
from phoenixctl.placement.capacity import reserved, resource_names, row, totals
from phoenixctl.placement.filters.every import CONSTRAINTS, LASTING, LOCAL, SOCIAL, concerned
from phoenixctl.placement.labels import label_of, matches, named_agents
from phoenixctl.placement.residents import Domains, Resident, Residents

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools, Floats, Ints

T = TypeVar("T")

Observed: TypeAlias = NodeObservation | NodeUnobserved
EVERYWHERE: Final = slice(None)


@dataclass(frozen=True, slots=True)
class Seat:
    """A node with how it was found."""

    node: Node
    observed: Observed
    pool: Pool | None


@dataclass(slots=True)
class Board:
    """N nodes with R resources. A node's position is its number.

    `total` and `capacity` are (N, R), NaN where unknown: what a node has, and what of it agents may
    be promised (without reservations, within the fleet's hard caps). `promised` is what they were,
    `load` the same with something for agents that ask for nothing; `free_at_first` and
    `load_at_first` are what was left and what was promised before anything was placed in this run.
    `count` (N,) is the number of agents.
    """

    fleet: Fleet
    settings: PlacementSettings
    resources: tuple[str, ...]
    seats: list[Seat] = field(default_factory=list)
    names: list[NodeName] = field(default_factory=list)
    number: dict[NodeName, int] = field(default_factory=dict)
    total: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    allowed: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # total without reservations
    promised: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    load: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    free_at_first: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    load_at_first: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    count: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    who: Residents = field(default_factory=Residents)
    version: int = 0  # another one after every change
    _needs: dict[int, tuple[AgentSpec, Floats, Floats]] = field(default_factory=dict)
    _known: dict[Hashable, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, fleet: Fleet, snapshot: Snapshot, *, without: Collection[AgentId] = ()) -> Board:
        """Every node of the fleet that the snapshot covers, in its order. Agents in `without` count
        nowhere: they are to be placed anew."""
        board = cls(fleet, fleet.placement or BY_DEFAULT, resource_names(fleet))
        seen = ((fleet.nodes[n], o) for n, o in snapshot.nodes.items() if n in fleet.nodes)
        board._seat(seen, without)
        return board

    @property
    def residents(self) -> dict[AgentId, Resident]:
        """Who is where."""
        return self.who.by_id

    @property
    def capacity(self) -> Floats:
        """What agents may be promised (N, R)."""
        return self.memo("capacity", self._capacity)

    @property
    def by_name(self) -> Ints:
        """The place of each node in the order of names (N,)."""

        def ranks() -> Ints:
            found = np.empty(len(self.names), np.int64)
            found[np.argsort(np.array(self.names, dtype=object), kind="stable")] = np.arange(
                len(self.names)
            )
            return found

        return self.memo("by name", ranks)

    # What is asked of all nodes at once.

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """Something that stays as it is while no node comes."""
        if key not in self._known:
            self._known[key] = make()
        found: T = self._known[key]
        return found

    def domains(self, label: str) -> Domains:
        """The nodes by the values of a label. `node` and `pool` are labels that all have."""

        def made() -> Domains:
            if label == NODE:
                return Domains(np.arange(len(self.names)), tuple(self.names), each=True)
            return _domains(label_of(label, seat.node, seat.pool) for seat in self.seats)

        return self.memo(("label", label), made)

    def marks(self, ask: Callable[[Seat], bool]) -> Bools:
        """The nodes (N,) of which something is true; each is asked once."""
        return self.memo(ask, lambda: np.array([ask(seat) for seat in self.seats], np.bool_))

    def measured(self, metric: Metric) -> Floats:
        """What was read on each node (N,), NaN where it is unknown."""
        return self.memo(
            metric, lambda: np.array([_reading(s, metric) for s in self.seats], np.float64)
        )

    def lasting(self, spec: AgentSpec) -> Bools:
        """The nodes (N,) that take agents of a spec as far as that does not depend on agents."""

        def lasting() -> tuple[AgentSpec, Bools]:
            masks = [each.mask(Agent(spec, 0), self, EVERYWHERE) for each in LASTING]
            everywhere = np.ones(len(self.names), np.bool_)
            return spec, np.logical_and.reduce([everywhere, *(m for m in masks if m is not None)])

        _, found = self.memo(("lasting", id(spec)), lasting)
        return found

    def reach(self, spec: AgentSpec, label: str) -> Bools:
        """The domains (D,) of a label that have a node for agents of the spec."""

        def reached() -> tuple[AgentSpec, Bools]:
            domains = self.domains(label)
            found = np.zeros(len(domains.values) + 1, np.bool_)
            found[domains.codes[self.lasting(spec)]] = True
            return spec, found[:-1]

        _, found = self.memo(("reach", id(spec), label), reached)
        return found

    def local(self, agent: Agent, at: At = EVERYWHERE) -> Bools:
        """The nodes of `at` that take it by all constraints that are the same for its spec."""
        found = self.lasting(agent.spec)[at].copy()
        for each in LOCAL:
            mask = each.mask(agent, self, at)
            if mask is not None:
                found &= mask
        return found

    def is_social(self, spec: AgentSpec) -> bool:
        """Whether any rule about neighbours may concern agents of the spec."""
        _, found = self.memo(("social", id(spec)), lambda: (spec, concerned(spec, self)))
        return found

    def alike(self, agent: Agent) -> Hashable | None:
        """The same for agents of which every rule says the same; None: there is no other one like
        this, for it has a place already."""
        if not self.is_social(agent.spec):
            return id(agent.spec)
        if agent.id in self.residents:
            return None
        named = self.memo("named", lambda: named_agents(self.fleet))
        return id(agent.spec), named.get(agent.id, ())

    def social(self, agent: Agent, at: At = EVERYWHERE) -> Bools | None:
        """The nodes of `at` where its neighbours are as all rules want; None: no rule says."""
        found: Bools | None = None
        for each in SOCIAL:
            mask = each.mask(agent, self, at)
            if mask is not None:
                found = mask if found is None else found & mask
        return found

    def open_to(self, agent: Agent, at: At = EVERYWHERE) -> Bools:
        """The nodes (N,) that take the agent by all constraints."""
        social = self.social(agent, at)
        return self.local(agent, at) if social is None else self.local(agent, at) & social

    def rejections(self, agent: Agent, node: int) -> tuple[Rejection, ...]:
        """Every constraint that the agent fails on one node."""
        return tuple(found for each in CONSTRAINTS for found in each.why(agent, self, node))

    # What agents need, and who they meet.

    def column(self, resource: str) -> int | None:
        """Where a resource stands in the arrays; None: nothing in the fleet has it."""
        return self.resources.index(resource) if resource in self.resources else None

    def need(self, spec: AgentSpec) -> Floats:
        """What an agent of the spec asks for (R,)."""
        return self._need(spec)[1]

    def weight(self, spec: AgentSpec) -> Floats:
        """What it counts for in the balance (R,)."""
        return self._need(spec)[2]

    def others(self, agent: Agent, of: AgentSelector, label: str, *, settled: bool) -> Ints:
        """Matching agents by domain of the label (D + 1,), without the agent itself. `settled`:
        where they will be, else wherever a copy of them is."""
        tally = self.who.tally(of, label, self.domains(label))
        counts = tally.settled if settled else tally.there
        own = self.residents.get(agent.id)
        if own is None or not matches(of, agent.id, agent.spec.name, agent.spec.labels):
            return counts
        counts = counts.copy()
        for node in own.settled if settled else own.nodes:
            counts[tally.codes[node]] -= 1
        return counts

    # Changes.

    def promise(self, agent: Agent, node: NodeName) -> None:
        """A place on the node for the agent. If it has one already, it is to move from there."""
        number = self.number[node]
        resident = self.who.come(agent.id, partial(self._resident, agent.spec), number)
        self._shift(number, resident, 1)

    def withdraw(self, agent: AgentId, node: NodeName) -> Resident:
        """The agent's place on that node is free again. What it was can be `put` back."""
        number = self.number[node]
        resident = self.who.go(agent, number)
        self._shift(number, resident, -1)
        if not self.count[number]:  # sums of fractions do not come back to nothing by themselves
            self.promised[number], self.load[number] = 0.0, 0.0
        return resident

    def put(self, agent: AgentId, resident: Resident, node: NodeName) -> None:
        """The agent has that place again."""
        number = self.number[node]
        self._shift(number, self.who.come(agent, lambda: resident, number), 1)

    @contextmanager
    def as_if(self, spec: AgentSpec, nodes: Ints, *, fewer: bool = False) -> Iterator[None]:
        """For a while, as if each of these nodes had one agent of the spec more, or `fewer`."""
        before, one = (self.promised[nodes], self.load[nodes]), -1 if fewer else 1
        self.promised[nodes] += one * self.need(spec)
        self.load[nodes] += one * self.weight(spec)
        self.count[nodes] += one
        yield
        self.promised[nodes], self.load[nodes] = before
        self.count[nodes] -= one

    def add(self, node: Node, observed: Observed) -> None:
        """One more node, from now on."""
        self._seat([(node, observed)], ())

    def _shift(self, node: int, resident: Resident, sign: int) -> None:
        change = np.add if sign > 0 else np.subtract
        for sums, own in ((self.promised, resident.need), (self.load, resident.weight)):
            row = sums[node]
            change(row, own, out=row)
        self.count[node] += sign
        self.version += 1

    def _seat(self, seen: Iterable[tuple[Node, Observed]], without: Collection[AgentId]) -> None:
        first = len(self.names)
        rows = []
        for node, observed in seen:
            self.number[node.name] = len(self.names)
            self.names.append(node.name)
            self.seats.append(Seat(node, observed, self.fleet.pools.get(node.pool)))
            has = totals(self.fleet, node, observed, self.resources)
            rows.append((has, reserved(self.fleet, node, self.resources)))
        shape = (len(rows), 2, len(self.resources))
        sizes = np.array(rows, np.float64).reshape(shape)
        nothing = np.zeros((len(rows), len(self.resources)))
        self.total = _more(self.total, sizes[:, 0])
        self.allowed = _more(self.allowed, sizes[:, 0] - sizes[:, 1])
        self.promised, self.load = _more(self.promised, nothing), _more(self.load, nothing)
        self.count = np.concatenate([self.count, np.zeros(len(rows), np.int64)])
        self._known.clear()
        self.who.forget_tallies()
        for number in range(first, len(self.names)):
            self._found(number, without)
        free = self.allowed[first:] - self.promised[first:]
        self.free_at_first = _more(self.free_at_first, free)
        self.load_at_first = _more(self.load_at_first, self.load[first:])

    def _found(self, number: int, without: Collection[AgentId]) -> None:
        for seen in living(self.seats[number].observed, without):
            made = partial(self._resident_of, seen.spec_name)
            resident = self.who.come(seen.id, made, number, moves=False)
            resident.running = True
            self._shift(number, resident, 1)

    def _resident_of(self, spec_name: str) -> Resident:
        """Nothing is known of an agent whose spec left the configuration."""
        spec = self.fleet.agents.get(spec_name) or AgentSpec(spec_name, ())
        return self._resident(spec)

    def _resident(self, spec: AgentSpec) -> Resident:
        _, need, weight = self._need(spec)
        return Resident(spec.name, spec.labels, need, weight)

    def _need(self, spec: AgentSpec) -> tuple[AgentSpec, Floats, Floats]:
        found = self._needs.get(id(spec))
        if found is None:
            need = np.array(row(spec.resources, self.resources))
            found = self._needs[id(spec)] = (spec, need, need if need.any() else self._nominal())
        return found

    def _nominal(self) -> Floats:
        nominal = np.zeros(len(self.resources))
        nominal[:2] = NOMINAL
        return nominal

    def _capacity(self) -> Floats:
        found = self.allowed.copy()
        for cap in self.settings.caps:
            if cap.weight is None and cap.resource in self.resources:
                column = self.resources.index(cap.resource)
                most = cap.ratio * self.total[:, column]
                found[:, column] = np.minimum(found[:, column], most)
        return found


NOMINAL = (0.1, 128.0 * 1024**2)
"""Cores and bytes: what an agent that asks for nothing counts for in the balance."""


def _more(array: Floats, rows: Floats) -> Floats:
    return np.concatenate([array, rows]) if array.size else rows.copy()


def _domains(values: Iterable[str | None]) -> Domains:
    found = list(values)
    there = sorted({value for value in found if value is not None})
    code = {value: number for number, value in enumerate(there)}
    codes = [-1 if value is None else code[value] for value in found]
    return Domains(np.array(codes, np.int64), tuple(there))


def _reading(seat: Seat, metric: Metric) -> float:
    if isinstance(seat.observed, NodeUnobserved):
        return np.nan
    reading = seat.observed.metrics.get(metric)
    return np.nan if reading is None or reading.value is None else reading.value
