"""Instances that carry the tags of this record and that it does not have: made twice, or lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.errors import Refused
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Breach, Change, Drift, Risk, Step
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.planning.copies import ALIVE
from phoenixctl.planning.members import Member, Members
from phoenixctl.planning.order import by_name

REAP: Final = "phoenixctl plan --reap"
ADOPT: Final = "phoenixctl refresh --adopt"


@dataclass(frozen=True, slots=True)
class Orphan:
    """`member` is what is seen of its node, None when that name belongs to another machine; then
    `holder` is what is recorded of that one, if it is recorded."""

    instance: Instance
    member: Member | None = None
    holder: NodeRecord | None = None

    @property
    def name(self) -> NodeName:
        return self.instance.node.name

    @property
    def pool(self) -> str:
        return self.instance.node.pool

    @property
    def addresses(self) -> tuple[str, ...]:
        return (f"instance.{self.instance.id}", f"pool.{self.pool}")

    @property
    def silent(self) -> bool:
        """Agents may run there that nobody can see."""
        return self.member is not None and self.member.observed is None

    @property
    def agents(self) -> tuple[AgentId, ...]:
        """Those that are seen to run there."""
        seen = self.member.observed if self.member is not None else None
        return () if seen is None else tuple(a.id for a in seen.agents if a.state in ALIVE)


def orphans_of(members: Members, state: State) -> tuple[Orphan, ...]:
    """All that carry this record's lineage, by name; those of others are none of ours."""
    known = {member.name for member in (*members.configured, *members.left)}
    found = list(_alone(members, state, known))
    if state.lineage:
        doubles = (i for i in members.strangers if i.lineage == state.lineage)
        found += [Orphan(i, holder=state.nodes.get(i.node.name)) for i in doubles]
    return tuple(sorted(found, key=lambda o: (by_name(o.name), by_name(o.instance.id))))


def _alone(members: Members, state: State, known: set[NodeName]) -> Iterator[Orphan]:
    """Of each name the first, which is the one that is reached by it."""
    for pool in members.created.values():
        for member in pool:
            if member.record is not None or member.instance is None:
                continue
            held = member.name in known or member.name in state.nodes
            known.add(member.name)
            yield Orphan(member.instance, None if held else member, state.nodes.get(member.name))


def foreign(members: Members, state: State) -> tuple[Instance, ...]:
    """Those that carry the fleet's tags and are of another record."""
    return tuple(i for i in members.strangers if i.lineage != state.lineage or not state.lineage)


def record_is_lost(members: Members, orphans: Sequence[Orphan]) -> bool:
    """Whether instances are there and none of them is recorded: the record is what is missing."""
    created = [member for pool in members.created.values() for member in pool]
    if any(member.record is not None and member.instance is not None for member in created):
        return False
    return bool(members.strangers or orphans)


def check_record(members: Members, orphans: Sequence[Orphan]) -> None:
    """Refused when everything would be taken for an orphan."""
    if record_is_lost(members, orphans):
        raise Refused(
            "nothing is reaped: of all instances that the providers list none is in the record, so"
            " the record is what is missing",
            hint=ADOPT,
        )


def reap(orphan: Orphan) -> Step:
    """Destroy that one instance, whatever else has its node's name."""
    instance = orphan.instance
    known = {
        "type": instance.kind,
        "zone": instance.zone,
        "market": instance.market,
        "address": instance.node.address,
    }
    return Step(
        Action.DESTROY,
        orphan.name,
        None,
        _reason(orphan),
        Risk.DESTRUCTIVE,
        pool=orphan.pool,
        changes=tuple(Change(name, value, None) for name, value in known.items() if value),
        instance=instance.id,
    )


def protected(orphan: Orphan) -> Breach:
    what = f"{orphan.instance.id} ({orphan.name}) is an orphan that its provider protects"
    return Breach(
        "protected",
        f"{what}, and would go",
        f"take the protection off at its provider, or: --exclude {orphan.addresses[0]}",
    )


def drift_of_orphans(orphans: Iterable[Orphan], *, hint: str) -> Iterator[Drift]:
    for orphan in orphans:
        yield Drift(orphan.addresses[0], _what(orphan), hint)


def _what(orphan: Orphan) -> str:
    what = f"{orphan.name} of pool {orphan.pool}"
    if orphan.holder is not None:
        return f"a second {what}: the record has {orphan.holder.id}"
    return f"{what}, which is not in the record; refresh --adopt takes it in"


def _reason(orphan: Orphan) -> str:
    """Why it is an orphan, and which operation made it."""
    if orphan.holder is not None:
        why = f"an orphan, a duplicate: the record has {orphan.holder.id} as {orphan.name}"
    else:
        why = "an orphan: no record has it"
    operation = orphan.instance.operation.partition(" ")[0]
    return f"{why} (made by operation {operation})" if operation else why
