"""The nodes of a fleet by what they are to it: configured, created, gone, strangers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import Fleet, Node, Pool
from phoenixctl.model.instance import Instance, Phase
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.planning.known import STATIC, Inventory, claim, configured_nodes, reached
from phoenixctl.planning.order import by_name, in_order
from phoenixctl.remote.spot_watch import SPOT_WATCH


@dataclass(frozen=True, slots=True)
class Member:
    """A node that belongs to the fleet. `instance` is how its provider lists it, None for hosts
    that exist and while the provider cannot be asked; `seen` is what its survey said; `used`:
    agents are recorded there."""

    node: Node
    record: NodeRecord | None
    instance: Instance | None
    seen: NodeObservation | NodeUnobserved | None
    used: bool = False

    @property
    def name(self) -> NodeName:
        return self.node.name

    @property
    def observed(self) -> NodeObservation | None:
        return self.seen if isinstance(self.seen, NodeObservation) else None

    @property
    def protected(self) -> bool:
        return any(known is not None and known.protected for known in (self.record, self.instance))

    @property
    def joined(self) -> str:
        return self.record.joined if self.record else ""

    @property
    def fresh(self) -> bool:
        """It was made and has not joined, so that nothing can run there."""
        made = self.record is not None and self.record.provider != STATIC
        return made and not self.joined and not self.used

    @property
    def halted(self) -> bool:
        """Its provider has it, but nothing runs on it."""
        return self.instance is not None and self.instance.phase in (Phase.STOPPING, Phase.STOPPED)

    @property
    def off(self) -> bool:
        """Its provider has stopped it for certain."""
        return self.instance is not None and self.instance.phase is Phase.STOPPED

    @property
    def zone(self) -> str:
        """As its provider calls it; empty where it has none."""
        known = self.instance or self.record
        return known.zone if known is not None else ""

    @property
    def spot(self) -> bool:
        """Its provider may take it away at any time."""
        known = self.instance or self.record
        return known is not None and known.market == "spot"

    @property
    def interrupted(self) -> bool:
        """Its provider has said that it will take it away."""
        return (
            self.observed is not None
            and self.observed.cordon is not None
            and self.observed.cordon.by == SPOT_WATCH
        )


@dataclass(frozen=True, slots=True)
class Members:
    """`configured` are hosts that exist; `left` of them are recorded and not configured any more.

    `created` has by pool the nodes that a provider has made, also for a pool in `unasked`, whose
    provider could not be asked: then as recorded. `gone` are recorded ones that their provider
    does not have any more. `strangers` were made by another record, or twice; `abandoned` are
    recorded, and their pool left the configuration.
    """

    configured: tuple[Member, ...]
    left: tuple[Member, ...]
    created: Mapping[str, tuple[Member, ...]]
    gone: tuple[NodeRecord, ...]
    strangers: tuple[Instance, ...]
    abandoned: tuple[Member, ...]
    unasked: Mapping[str, str]  # pool: why

    def everyone(self) -> tuple[Member, ...]:
        """All that there are of the fleet."""
        made = (member for pool in self.created.values() for member in pool)
        return (*self.configured, *self.left, *made, *self.abandoned)

    def gone_names(self) -> frozenset[NodeName]:
        there = {member.name for member in self.everyone()}
        return frozenset(r.node.name for r in self.gone if r.node.name not in there)


def members_of(fleet: Fleet, state: State, snapshot: Snapshot, inventory: Inventory) -> Members:
    """Every node of the record, the configuration and the providers in its place, by name."""
    records = in_order(state.nodes)
    configured = in_order(configured_nodes(fleet))
    made_here = [p for p in in_order(fleet.pools).values() if p.provider != STATIC]
    meeting = _Meeting(state, snapshot.nodes)
    for pool in made_here:
        own = [record for record in records.values() if _is_of(record, pool)]
        meeting.pool(pool, own, inventory.get(pool.name))
    placed = {r.node.name for p in made_here for r in records.values() if _is_of(r, p)}
    rest = [r for name, r in records.items() if name not in placed and name not in configured]
    return Members(
        configured=tuple(
            meeting.member(node, records.get(name)) for name, node in configured.items()
        ),
        left=tuple(meeting.member(r.node, r) for r in rest if r.provider == STATIC),
        created=meeting.created,
        gone=tuple(meeting.gone),
        strangers=tuple(meeting.strangers),
        abandoned=tuple(meeting.member(r.node, r) for r in rest if r.provider != STATIC),
        unasked=meeting.unasked,
    )


class _Meeting:
    """Brings together what is recorded and what is listed."""

    def __init__(
        self, state: State, seen: Mapping[NodeName, NodeObservation | NodeUnobserved]
    ) -> None:
        self._state = state
        self._seen = seen
        self._used = {record.node for record in state.agents.values()}
        self.created: dict[str, tuple[Member, ...]] = {}
        self.gone: list[NodeRecord] = []
        self.strangers: list[Instance] = []
        self.unasked: dict[str, str] = {}

    def member(
        self, node: Node, record: NodeRecord | None, instance: Instance | None = None
    ) -> Member:
        name = node.name
        return Member(node, record, instance, self._seen.get(name), name in self._used)

    def pool(
        self,
        pool: Pool,
        own: Sequence[NodeRecord],
        listed: tuple[Instance, ...] | PhoenixError | None,
    ) -> None:
        if listed is None or isinstance(listed, PhoenixError):
            self.unasked[pool.name] = "it was not asked" if listed is None else str(listed)
            self.created[pool.name] = tuple(self.member(r.node, r) for r in own)
            return
        found = self._whose(pool, listed)
        self.created[pool.name] = found
        there = {member.name for member in found if member.record is not None}
        self.gone += [record for record in own if record.node.name not in there]

    def _whose(self, pool: Pool, listed: Iterable[Instance]) -> tuple[Member, ...]:
        """Ours of what is listed; others are strangers. Of two of a name the recorded one is."""
        state = self._state
        found: dict[NodeName, Member] = {}
        strangers: list[Instance] = []
        there = [i for i in listed if i.phase is not Phase.GONE]
        for instance in sorted(there, key=lambda i: claim(i, state)):
            name = instance.node.name
            record = state.nodes[name] if _recorded(instance, state, pool) else None
            ours = record is not None or (state.lineage and instance.lineage == state.lineage)
            if ours and name not in found:
                found[name] = self.member(reached(instance, record), record, instance)
            else:
                strangers.append(instance)
        self.strangers += sorted(strangers, key=lambda i: (by_name(i.node.name), by_name(i.id)))
        return tuple(in_order(found).values())


def _recorded(instance: Instance, state: State, pool: Pool) -> bool:
    record = state.nodes.get(instance.node.name)
    return record is not None and record.id == instance.id and _is_of(record, pool)


def _is_of(record: NodeRecord, pool: Pool) -> bool:
    return record.node.pool == pool.name and record.provider == pool.provider
