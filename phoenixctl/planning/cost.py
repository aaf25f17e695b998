"""What the nodes cost per hour, before and after a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from phoenixctl.model.fleet import Fleet, Pool
from phoenixctl.model.instance import Instance
from phoenixctl.model.plan import Action, Cost, Step
from phoenixctl.model.state import NodeRecord
from phoenixctl.planning.members import Members
from phoenixctl.planning.orphans import Orphan


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type of machine as it is paid for."""

    name: str
    spot: bool

    def price(self, prices: Mapping[str, float]) -> float | None:
        if self.spot and f"spot:{self.name}" in prices:
            return prices[f"spot:{self.name}"]
        return prices.get(self.name)


def cost_of(
    steps: Iterable[Step], fleet: Fleet, members: Members, orphans: Iterable[Orphan]
) -> Cost | None:
    """By the fleet's price table; None when no provider charges for anything."""
    doubles = {o.instance.id: o.instance for o in orphans if o.member is None}
    known = {m.name: m.instance or m.record for m in members.everyone()} | doubles
    there = {name: kind for name, one in known.items() if (kind := _kind_of(one)) is not None}
    before, after = list(there.values()), dict(there)
    made: list[_Kind] = []
    for step in steps:
        if step.action is Action.DESTROY:
            after.pop(step.instance if step.instance in doubles else step.node, None)
        elif step.action is Action.CREATE and (kind := _first_kind(fleet.pools.get(step.pool))):
            made.append(kind)
    kinds = [*before, *made]
    if not kinds:
        return None
    unpriced = sorted({kind.name for kind in kinds if kind.price(fleet.prices) is None})
    return Cost(
        before=_sum(before, fleet.prices),
        after=_sum([*after.values(), *made], fleet.prices),
        unpriced=tuple(unpriced),
    )


def _kind_of(known: Instance | NodeRecord | None) -> _Kind | None:
    if known is None or not known.kind:
        return None
    return _Kind(known.kind, known.market == "spot")


def _first_kind(pool: Pool | None) -> _Kind | None:
    """What a new node of the pool is asked for as, first of all."""
    if pool is None or pool.aws is None or not pool.aws.types:
        return None
    return _Kind(pool.aws.types[0], pool.aws.spot)


def _sum(kinds: Iterable[_Kind], prices: Mapping[str, float]) -> float:
    return round(sum(kind.price(prices) or 0.0 for kind in kinds), 6)
