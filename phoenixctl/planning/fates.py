"""What is to become of each node: it stays, it goes, it is made, it is made anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Fleet, Node, Order, Pool
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Breach
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.placement.candidates import Candidate, candidates
from phoenixctl.planning.draft import Warned
from phoenixctl.planning.members import Member, Members
from phoenixctl.planning.order import in_order
from phoenixctl.planning.orphans import ADOPT, Orphan, foreign, protected
from phoenixctl.planning.scope import Scope
from phoenixctl.planning.sizes import beyond_limits, choose_going, next_names, wanted_size


@dataclass(frozen=True, slots=True)
class New:
    """A node that a pool shall have more."""

    node: Node
    pool: Pool
    why: str


@dataclass(frozen=True, slots=True)
class Going:
    """A node that is emptied and then destroyed or forgotten, by `ends` (None: it ends by itself).

    `forced`: it goes soon, whatever we do, so that nothing there is waited for.
    """

    member: Member
    why: str
    ends: Action | None
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Replacing:
    """A node that makes room for a new one, which has another name unless `in_place`."""

    old: Member
    new: Node
    pool: Pool
    in_place: bool


@dataclass(slots=True)
class Fates:
    """Every node's fate. Those `aside` stay, too, but take no agents; `forgotten` are recorded and
    gone for good. Those `reaped` are ours and nobody's. Warnings and breaches stand with the
    addresses of what they are about."""

    staying: list[Member] = field(default_factory=list)
    aside: list[Member] = field(default_factory=list)
    new: list[New] = field(default_factory=list)
    going: list[Going] = field(default_factory=list)
    replacing: list[Replacing] = field(default_factory=list)
    reaped: list[Orphan] = field(default_factory=list)
    forgotten: list[NodeRecord] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    breaches: list[tuple[tuple[str, ...], Breach]] = field(default_factory=list)

    def warn(self, text: str, *about: str) -> None:
        self.warnings.append((text, about))

    def protects(self, member: Member) -> bool:
        """Whether it may not go; that it was to is a breach then, and it stays."""
        if not member.protected:
            return False
        what = f"{member.name} is protected and would go"
        breach = Breach("protected", what, f"phoenixctl nodes unprotect {member.name}")
        self.breaches.append(((f"node.{member.name}", f"pool.{member.node.pool}"), breach))
        self.aside.append(member)
        return True


def fates_of(
    fleet: Fleet,
    state: State,
    snapshot: Snapshot,
    members: Members,
    scope: Scope,
    *,
    orphans: Sequence[Orphan],
) -> Fates:
    """Decide pool by pool. `fleet` has all nodes that are known."""
    deciding = _Deciding(fleet, state, snapshot, members, scope)
    fates = deciding.fates
    _check_replace(members, scope)
    if scope.reap:
        deciding.reap(orphans)
    deciding.hosts()
    for name, pool in in_order(fleet.pools).items():
        if name in members.unasked:
            deciding.unasked(pool, members.created[name])
        elif name in members.created:
            deciding.pool(pool, members.created[name])
    deciding.abandoned()
    there = {member.name for member in members.everyone()}
    there |= {made.node.name for made in fates.new} | {r.new.name for r in fates.replacing}
    fates.forgotten += [record for record in members.gone if record.node.name not in there]
    return fates


@dataclass
class _Deciding:
    fleet: Fleet
    state: State
    snapshot: Snapshot
    members: Members
    scope: Scope
    fates: Fates = field(default_factory=Fates)

    @cached_property
    def load(self) -> dict[NodeName, Candidate]:
        return {c.node.name: c for c in candidates(self.fleet, self.snapshot)}

    @cached_property
    def taken(self) -> set[NodeName]:
        """Names that no new node may have: all that are known but of nodes that are gone."""
        members = self.members
        names = {m.name for m in members.everyone()} | {i.node.name for i in members.strangers}
        return names | set(self.snapshot.nodes) - members.gone_names()

    def reap(self, orphans: Iterable[Orphan]) -> None:
        """One that is in use, or protected, stays; and so do those of other records, by name."""
        for orphan in orphans:
            if orphan.instance.protected:
                self.fates.breaches.append((orphan.addresses, protected(orphan)))
            elif agents := orphan.agents:
                self.fates.warn(
                    f"{orphan.instance.id} ({orphan.name}) is not reaped, for {', '.join(agents)}"
                    f" {'runs' if len(agents) == 1 else 'run'} there; to take it in: {ADOPT}",
                    *orphan.addresses,
                )
            else:
                self.fates.reaped.append(orphan)
        self.fates.notes += [
            f"{i.id} ({i.node.name}) is not reaped: it is of another record,"
            f" {i.lineage or 'an unknown one'}"
            for i in foreign(self.members, self.state)
        ]

    def hosts(self) -> None:
        """Hosts that exist are never made; those that left the configuration are forgotten."""
        why = "everything is to go" if self.scope.destroy else "it left the configuration"
        going = list(self.members.left)
        for member in self.members.configured:
            if not self.scope.destroy:
                self.fates.staying.append(member)
            elif member.record is not None:
                going.append(member)
            else:
                self.fates.aside.append(member)
        for member in going:
            if member.observed is None and member.name not in self.scope.assume_dead:
                self.fates.warn(
                    f"{member.name} does not answer, so it is not forgotten: agents may run there;"
                    f" if that machine is dead: --assume-dead {member.name}",
                    f"node.{member.name}",
                    f"pool.{member.node.pool}",
                )
                self.fates.aside.append(member)
            elif not self.fates.protects(member):
                self.fates.going.append(Going(member, why, Action.FORGET))

    def unasked(self, pool: Pool, members: Sequence[Member]) -> None:
        """Nothing is made and nothing destroyed on a guess."""
        why = self.members.unasked[pool.name]
        self.fates.warn(
            f"pool {pool.name}: its provider cannot be asked ({why}), so its size stays as it is",
            f"pool.{pool.name}",
        )
        for member in members:
            if member.interrupted:
                self.fates.going.append(_taken_away(member, ends=None))
            else:
                self.fates.staying.append(member)

    def pool(self, pool: Pool, members: Sequence[Member]) -> None:
        """Make what is missing, let go what is too much, make anew what is asked for."""
        wanted = wanted_size(pool, self.state, self.scope)
        for breach in beyond_limits(pool, self.scope):
            self.fates.breaches.append(((f"pool.{pool.name}",), breach))
        reaped = {orphan.instance.id for orphan in self.fates.reaped}
        counted = []
        for member in members:
            if member.record is None and member.instance and member.instance.id in reaped:
                continue
            if member.interrupted and not self.scope.destroy:
                ends = None if member.protected else Action.DESTROY
                self.fates.going.append(_taken_away(member, ends=ends))
            else:
                counted.append(member)
        if self.scope.destroy:
            self._all_go(counted)
            return
        # One that is not recorded fills a place, but no recorded one goes for it.
        going = self._too_many(pool, [m for m in counted if m.record is not None], wanted)
        self._too_few(pool, wanted, len(counted))
        self._anew(pool, [m for m in counted if m.name not in going])

    def _all_go(self, members: Iterable[Member]) -> None:
        for member in members:
            if not self.fates.protects(member):
                going = Going(member, "everything is to go", Action.DESTROY)
                self.fates.going.append(going)

    def _too_many(self, pool: Pool, members: Sequence[Member], wanted: int) -> set[NodeName]:
        """Those that would go, so that the pool has no more than it shall have."""
        count = len(members) - wanted
        if count <= 0:
            return set()
        choice = choose_going(members, count, self.load, self.scope)
        why = f"the pool shall have {wanted} and has {len(members)}; this one can be missed most"
        self.fates.going += [Going(member, why, Action.DESTROY) for member in choice.going]
        for member in choice.guarded:
            self.fates.protects(member)
        if choice.silent:
            self.fates.warn(
                f"pool {pool.name} has {choice.silent} too many that do not answer: they cannot be"
                " drained; if such a machine is dead: --assume-dead NODE",
                f"pool.{pool.name}",
            )
        return {member.name for member in (*choice.going, *choice.guarded)}

    def _too_few(self, pool: Pool, wanted: int, there: int) -> None:
        if there >= wanted:
            return
        others = [i for i in self.members.strangers if i.node.pool == pool.name]
        if others:
            names = ", ".join(dict.fromkeys(i.node.name for i in others))
            self.fates.notes.append(
                f"pool {pool.name}: {names} are not in this record and do not count; to take them"
                " in instead of making new ones: phoenixctl refresh --adopt"
            )
        why = f"the pool shall have {wanted} and has {there}"
        self.fates.new += [New(node, pool, why) for node in self._nodes(pool, wanted - there)]

    def _anew(self, pool: Pool, members: Sequence[Member]) -> None:
        in_place = pool.rollout.order is Order.IN_PLACE
        for member in members:
            if member.name not in self.scope.replace:
                self.fates.staying.append(member)
            elif not self.fates.protects(member):
                made = _node(pool, member.name) if in_place else self._nodes(pool, 1)[0]
                self.fates.replacing.append(Replacing(member, made, pool, in_place))

    def _nodes(self, pool: Pool, count: int) -> list[Node]:
        names = next_names(pool.name, count, self.taken)
        self.taken.update(names)
        return [_node(pool, name) for name in names]

    def abandoned(self) -> None:
        for member in self.members.abandoned:
            self.fates.aside.append(member)
            self.fates.warn(
                f"{member.name} is of pool {member.node.pool}, which left the configuration with"
                " its provider; put it back with `size: 0` and `min: 0` to remove its nodes",
                f"node.{member.name}",
                f"pool.{member.node.pool}",
            )


def _taken_away(member: Member, *, ends: Action | None) -> Going:
    return Going(member, "its provider is about to take it away", ends, forced=True)


def _node(pool: Pool, name: NodeName) -> Node:
    """A node that its provider will make; only then it has an address."""
    return Node(name, pool.name, address="", labels=pool.labels)


def _check_replace(members: Members, scope: Scope) -> None:
    """UsageError for what cannot be made anew."""
    made = {m.name for pool, found in members.created.items() for m in found}
    for name in scope.replace:
        if name not in made:
            raise UsageError(
                f"{name} was not made by a provider for this fleet, so it cannot be made anew",
                hint=f"phoenixctl nodes drain {name} empties it",
            )
