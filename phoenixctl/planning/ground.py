"""The steps about nodes, and what agents stand on while these are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from phoenixctl.model.fleet import Node, Pool
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Change, Inverse, Risk, Step
from phoenixctl.model.snapshot import AgentObservation, NodeObservation, NodeUnobserved
from phoenixctl.model.state import NodeRecord
from phoenixctl.planning import changes, steps
from phoenixctl.planning.copies import ALIVE
from phoenixctl.planning.draft import Draft, Turn
from phoenixctl.planning.expected import expected
from phoenixctl.planning.fates import Fates, Going, New, Replacing
from phoenixctl.planning.known import STATIC
from phoenixctl.planning.members import Member
from phoenixctl.planning.order import by_name
from phoenixctl.planning.orphans import Orphan, reap
from phoenixctl.remote.bootstrap import NOTHING_TO_DO

STARTED_AGAIN: Final = frozenset({"local"})  # providers that make a stopped node run again


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a node is emptied: agents there are drained after `first`, and `ends` comes after them.

    `rank` is its place among the nodes that are made anew one after the other, 0 for all others;
    with `back` its agents start there again after that step. A `silent` one cannot be emptied:
    once it has ended, nothing runs there.
    """

    why: str
    first: tuple[str, ...]
    ends: str | None
    rank: int = 0
    back: str | None = None
    forced: bool = False
    silent: bool = False
    replacing: Replacing | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """`stands` has each node on which agents can be placed, as it is or will be; agents start there
    after the step in `joins`, if it has one. `later` has nodes that come later, by their rank."""

    stands: dict[NodeName, NodeObservation | NodeUnobserved] = field(default_factory=dict)
    nodes: dict[NodeName, Node] = field(default_factory=dict)
    joins: dict[NodeName, str] = field(default_factory=dict)
    leaving: dict[NodeName, Leaving] = field(default_factory=dict)
    later: dict[int, NodeObservation] = field(default_factory=dict)
    returning: set[NodeName] = field(default_factory=set)  # stopped, and started again by a step

    def join(self, node: NodeName) -> tuple[str, ...]:
        return (self.joins[node],) if node in self.joins else ()


def prepare(
    draft: Draft,
    fates: Fates,
    pools: Mapping[str, Pool],
    bootstrap_digests: Mapping[str, str],
    assume_dead: frozenset[NodeName],
) -> Ground:
    """Draft what is done to nodes; what is done to agents comes between, then `complete`."""
    preparing = _Preparing(draft, fates, pools, bootstrap_digests, assume_dead)
    for member in fates.staying:
        preparing.stays(member)
    for new in fates.new:
        preparing.comes(new)
    for going in fates.going:
        preparing.goes(going)
    preparing.are_reaped(fates.reaped)
    for rank, replacing in enumerate(_in_rounds(fates.replacing), start=1):
        preparing.is_made_anew(0 if replacing.old.observed is None else rank, replacing)
    for record in fates.forgotten:
        why = "its provider does not have it any more"
        name, pool = record.node.name, record.node.pool
        draft.add(Step(Action.FORGET, name, None, why, pool=pool, changes=_ended(record)))
    return preparing.ground


def complete(draft: Draft, ground: Ground) -> None:
    """A node ends after all that is still done to agents there; nodes take turns in being made
    anew."""
    on_it: dict[NodeName, list[str]] = {}
    for key, step in draft.steps.items():
        if step.agent is not None and step.action in (Action.STOP, Action.DRAIN):
            on_it.setdefault(step.node, []).append(key)
        elif step.source is not None:
            on_it.setdefault(step.source, []).append(key)
    for name, leaving in ground.leaving.items():
        if leaving.ends is None:
            continue
        draft.wait(leaving.ends, (*leaving.first, *on_it.get(name, ())))
        if leaving.replacing is not None and not leaving.silent:
            draft.take_turn(_turn(leaving, leaving.replacing, on_it.get(name, []), ground))


def _turn(leaving: Leaving, replacing: Replacing, on_it: Sequence[str], ground: Ground) -> Turn:
    joined = ground.joins[replacing.new.name]
    ends = str(leaving.ends)
    if replacing.in_place:
        firsts, last = leaving.first or (*on_it, ends), joined
    else:
        firsts, last = (f"{Action.CREATE} {replacing.new.name}",), ends
    return Turn(
        f"pool.{replacing.pool.name}",
        replacing.old.name,
        firsts,
        last,
        leaving.rank,
        takes_down=replacing.in_place,
    )


def _in_rounds(replacing: Iterable[Replacing]) -> list[Replacing]:
    """One pool after the other, so that what waits always waits for what stands before it."""
    return sorted(replacing, key=lambda r: (by_name(r.pool.name), by_name(r.old.name)))


@dataclass
class _Preparing:
    draft: Draft
    fates: Fates
    pools: Mapping[str, Pool]
    bootstrap_digests: Mapping[str, str]
    assume_dead: frozenset[NodeName]
    ground: Ground = field(default_factory=Ground)

    def stays(self, member: Member) -> None:
        pool = self.pools[member.node.pool]
        why = self._why_join(member, pool)
        if _starts_again(member, pool):
            step = _created(member.node, pool, "it is stopped")
            self.draft.add(replace(step, changes=(), inverse=None))
            self.ground.returning.add(member.name)
        elif member.observed is None and not why and member.name not in self.assume_dead:
            self.draft.warn(_silence(member), f"node.{member.name}", f"pool.{pool.name}")
        if member.record is None and pool.provider != STATIC:
            return  # nobody has taken it in
        self.ground.nodes[member.name] = member.node
        if member.seen is not None:
            self.ground.stands[member.name] = member.seen
        if why:
            key = self._join(member.node, pool, why, member=member)
            if member.observed is None:
                self.ground.stands[member.name] = self._expected(member.node, pool)
            else:  # as it will be
                there = replace(member.observed, joined=self._bootstrap(pool))
                self.ground.stands[member.name] = there
            if member.joined:  # a new bootstrap comes to those that work with the old one
                group = f"join.{pool.name}"
                self.draft.take_turn(Turn(group, member.name, (key,), key, takes_down=False))

    def comes(self, new: New) -> None:
        made = self.draft.add(_created(new.node, new.pool, new.why))
        self._join(new.node, new.pool, "so that it takes agents", after=(made,))
        self.ground.nodes[new.node.name] = new.node
        self.ground.stands[new.node.name] = self._expected(new.node, new.pool)

    def goes(self, going: Going) -> None:
        member = going.member
        ends = None
        if going.ends is not None:
            ends = self._end(member, going.ends, going.why)
        self.ground.leaving[member.name] = Leaving(
            "its node goes away",
            self._cordon(member, "it goes away", ends),
            ends,
            forced=going.forced,
            silent=member.observed is None,
        )

    def are_reaped(self, orphans: Iterable[Orphan]) -> None:
        """What may run on one that nobody can look into starts elsewhere after its end, and after
        that of all with its name."""
        named: dict[NodeName, list[str]] = {}
        reached: dict[NodeName, Leaving] = {}
        for orphan in orphans:
            ends = self.draft.add(reap(orphan))
            if orphan.member is None:
                named.setdefault(orphan.name, []).append(ends)
            else:
                why = "its node goes away"
                reached[orphan.name] = Leaving(why, (), ends, silent=orphan.silent)
        for name, leaving in reached.items():
            self.draft.wait(str(leaving.ends), named.get(name, ()))
        self.ground.leaving.update(reached)

    def is_made_anew(self, rank: int, replacing: Replacing) -> None:
        """A node that does not answer is destroyed at once: that proves that nothing runs there."""
        old, new, pool = replacing.old, replacing.new, replacing.pool
        ends = self._end(old, Action.DESTROY, "it is made anew")
        made = self.draft.add(_created(new, pool, f"in the place of {old.name}"), purpose=ends)
        joined = self._join(new, pool, "so that it takes agents", after=(made,))
        if replacing.in_place:
            self.draft.wait(made, (ends,))
        elif rank:
            self.draft.wait(ends, (joined,))
        self.ground.leaving[old.name] = Leaving(
            "its node is made anew",
            self._cordon(old, "it is made anew", ends),
            ends,
            rank,
            back=joined if replacing.in_place and rank else None,
            silent=not rank,
            replacing=replacing,
        )
        self.ground.nodes[new.name] = new
        if not rank:
            self.ground.stands[new.name] = self._expected(new, pool)
        elif not replacing.in_place:
            self.ground.later[rank] = self._expected(new, pool)

    def _why_join(self, member: Member, pool: Pool) -> str:
        """Why it has to be joined, empty when it has or when that cannot be told."""
        wanted = self._bootstrap(pool)
        observed = member.observed
        if pool.provider != STATIC and (member.record is None or member.halted):
            return ""
        if observed is None:
            boots = member.fresh and member.instance is not None
            return "it was made and has not joined yet" if boots else ""
        if member.record is None:
            return "it is not in the record yet"
        if not member.joined:
            return "it has not joined yet"
        if member.joined != wanted:
            return "the bootstrap of its pool has changed"
        if pool.bootstrap is not None and observed.joined != wanted:
            return "the node itself does not have the bootstrap that is recorded"
        return ""

    def _join(
        self,
        node: Node,
        pool: Pool,
        why: str,
        *,
        after: tuple[str, ...] = (),
        member: Member | None = None,
    ) -> str:
        before = member.joined if member else ""
        works = before and any(a.state in ALIVE for a in _agents_on(member))
        first_time = pool.provider == STATIC and (member is None or member.record is None)
        step = Step(
            Action.JOIN,
            node.name,
            None,
            why,
            Risk.DISRUPTIVE if works else Risk.SAFE,
            after,
            pool=pool.name,
            changes=(Change("bootstrap", before or None, self._bootstrap(pool)),),
            inverse=Inverse(Action.FORGET) if first_time else None,
        )
        self.ground.joins[node.name] = self.draft.add(step)
        return step.key

    def _bootstrap(self, pool: Pool) -> str:
        return self.bootstrap_digests.get(pool.name, NOTHING_TO_DO)

    def _cordon(self, member: Member, why: str, ends: str | None) -> tuple[str, ...]:
        if member.observed is None or member.observed.cordon is not None:
            return ()
        step = steps.cordon(member.name, why, pool=member.node.pool)
        return (self.draft.add(step, purpose=ends),)

    def _end(self, member: Member, action: Action, why: str) -> str:
        destroys = action is Action.DESTROY
        step = Step(
            action,
            member.name,
            None,
            why if member.observed else f"{why}; it does not answer, so nothing is drained",
            Risk.DESTRUCTIVE if destroys else Risk.DISRUPTIVE,
            pool=member.node.pool,
            changes=_ended(member.record),
            inverse=Inverse(Action.CREATE if destroys else Action.JOIN),
        )
        return self.draft.add(step)

    def _expected(self, node: Node, pool: Pool) -> NodeObservation:
        found = expected(node, pool, self.observed.get(pool.name, ()))
        return replace(found, joined=self._bootstrap(pool))

    @cached_property
    def observed(self) -> Mapping[str, Sequence[NodeObservation]]:
        """The nodes that answered, by pool, whatever becomes of them."""
        fates = self.fates
        going = [going.member for going in fates.going]
        alike: dict[str, list[NodeObservation]] = {}
        for member in (*fates.staying, *going, *(r.old for r in fates.replacing)):
            if member.observed is not None:
                alike.setdefault(member.node.pool, []).append(member.observed)
        return alike


def _created(node: Node, pool: Pool, why: str) -> Step:
    return Step(
        Action.CREATE,
        node.name,
        None,
        why,
        pool=pool.name,
        changes=changes.new_node(pool),
        inverse=Inverse(Action.DESTROY),
    )


def _ended(record: NodeRecord | None) -> tuple[Change, ...]:
    """What is known of a node that ends."""
    if record is None:
        return ()
    known = {
        "provider": record.provider,
        "type": record.kind,
        "zone": record.zone,
        "market": record.market,
    }
    return tuple(Change(name, value, None) for name, value in known.items() if value)


def _agents_on(member: Member | None) -> Sequence[AgentObservation]:
    return member.observed.agents if member is not None and member.observed is not None else ()


def _starts_again(member: Member, pool: Pool) -> bool:
    """Whether its provider brings it back as it was. What ran on it may run still."""
    return member.halted and member.record is not None and pool.provider in STARTED_AGAIN


def _silence(member: Member) -> str:
    if member.halted and member.instance is not None:
        return f"{member.name} is {member.instance.phase} at its provider"
    if isinstance(member.seen, NodeUnobserved):
        return f"{member.name} does not answer ({member.seen.error.kind})"
    return f"{member.name} was not looked at"
