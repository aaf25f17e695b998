"""How many nodes a pool shall have, and which of them go when it has too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from phoenixctl.model.fleet import Pool
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Breach
from phoenixctl.model.state import State
from phoenixctl.placement.candidates import Candidate
from phoenixctl.planning.members import Member
from phoenixctl.planning.order import by_name
from phoenixctl.planning.scope import Scope


def wanted_size(pool: Pool, state: State, scope: Scope) -> int:
    """Asked for by this command, else by hand or autoscaling since the configuration was last
    edited, else configured; within the pool's limits."""
    if scope.destroy:
        return 0
    size = pool.minimum if pool.size is None else pool.size
    recorded = state.pools.get(pool.name)
    if recorded is not None and recorded.configured == pool.size:
        size = recorded.size
    return min(max(scope.sizes.get(pool.name, size), pool.minimum), pool.maximum)


def beyond_limits(pool: Pool, scope: Scope) -> Iterable[Breach]:
    """A size was asked for that the pool must not have."""
    asked = scope.sizes.get(pool.name)
    if asked is None:
        return
    for guard, limit, beyond in (
        ("minimum", pool.minimum, asked < pool.minimum),
        ("maximum", pool.maximum, asked > pool.maximum),
    ):
        if beyond:
            word = "fewer than its" if guard == "minimum" else "more than its"
            yield Breach(
                guard,
                f"pool {pool.name} would have {asked} nodes, {word} {guard} of {limit}",
                f"pools.{pool.name}.{guard[:3]} in the configuration",
            )


@dataclass(frozen=True, slots=True)
class Choice:
    """Nodes that go. `guarded` would go too and are protected; `silent` is how many more should go
    and cannot, as no other node answers."""

    going: tuple[Member, ...]
    guarded: tuple[Member, ...] = ()
    silent: int = 0


def choose_going(
    members: Sequence[Member],
    count: int,
    load: Mapping[NodeName, Candidate],
    scope: Scope,
) -> Choice:
    """The nodes that can be missed most: what is to be replaced anyway, what runs nothing, then
    the least loaded; of those alike the cheapest to empty, in the zone that has most, spot first.
    """
    removable = [m for m in members if can_be_emptied(m, scope)]
    order = sorted(removable, key=lambda m: by_name(m.name), reverse=True)
    free = [_Leaver.of(m, load, scope) for m in order if not m.protected]
    zones = Counter(m.zone for m in members)
    going: list[Member] = []
    while free and len(going) < count:
        first = min(free, key=lambda one: (one.before, -zones[one.member.zone], one.after))
        free.remove(first)
        zones[first.member.zone] -= 1
        going.append(first.member)
    short = count - len(going)
    guarded = [m for m in order if m.protected]
    guarded.sort(key=lambda m: _Leaver.of(m, load, scope).before)
    return Choice(tuple(going), tuple(guarded[:short]), short - len(guarded[:short]))


def can_be_emptied(member: Member, scope: Scope) -> bool:
    """Whether its agents can be drained, or there are none, or the operator gives them up."""
    return (
        member.observed is not None
        or member.halted
        or member.fresh
        or member.name in scope.assume_dead
        or member.name in scope.replace
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Leaver:
    """A node that may go. The one with the least keys goes first; between the two comes its zone,
    of which it depends who has gone before."""

    member: Member
    before: tuple[bool, bool, int, int]
    after: tuple[bool, float, int, bool]

    @classmethod
    def of(cls, member: Member, load: Mapping[NodeName, Candidate], scope: Scope) -> _Leaver:
        there = load.get(member.name)
        cordoned = member.observed is not None and member.observed.cordon is not None
        return cls(
            member,
            (
                member.name not in scope.replace,
                member.observed is not None,
                len(there.agents) if there else 0,
                there.down_by_a_move if there else 0,
            ),
            (
                not member.spot,
                there.cpu_promised if there else 0.0,
                there.memory_promised if there else 0,
                not cordoned,
            ),
        )


def next_names(pool: str, count: int, taken: Iterable[str]) -> list[NodeName]:
    """`web-1`, `web-2` …: the lowest numbers that are free."""
    used, number = set(taken), 0
    names: list[NodeName] = []
    while len(names) < count:
        number += 1
        name = NodeName(f"{pool}-{number}")
        if name not in used:
            names.append(name)
    return names
