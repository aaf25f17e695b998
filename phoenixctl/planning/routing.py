"""Whose a router's members are, and which ones it should have, from what is seen to run.

A member is an agent's by its name, `ingest-0` or `ingest-0.7`, and by its place. All others are
somebody else's and stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Action, Change, Drift, Plan, Step
from phoenixctl.model.playbook import EVERYWHERE
from phoenixctl.model.routing import (
    BackendStatus,
    Member,
    MemberState,
    RouterSettings,
    RouterStatus,
    SeenMember,
    member_name,
)
from phoenixctl.planning.order import by_name

RECONCILE: Final = "phoenixctl routers reconcile"
_NAME: Final = re.compile(r"((.+)-[0-9]+)(?:\.([0-9]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a copy of an agent takes requests; `address` in numbers."""

    agent: AgentId
    epoch: int
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Spots:
    """Where agents are: those that `serve`, and those of which it is `unsure`. Nothing is known of
    what is at the addresses in `dark`."""

    serve: tuple[Spot, ...] = ()
    unsure: tuple[Spot, ...] = ()
    dark: frozenset[str] = frozenset()


def agent_of(name: str, specs: Collection[str]) -> AgentId | None:
    """The agent of these specs that a member is of, by its name."""
    found = _NAME.fullmatch(name)
    return AgentId(found[1]) if found is not None and found[2] in specs else None


def own(
    seen: Iterable[SeenMember], agent: AgentId, address: str, port: int | None
) -> tuple[SeenMember, ...]:
    """The members of an agent at an address (and port, if it is known), the latest first. One that
    is held has no address, and is the agent's wherever that is."""
    spec = agent.rpartition("-")[0]
    mine = [one for one in seen if agent_of(one.member.name, (spec,)) == agent]
    here = [one for one in mine if one.held or _at(one.member, address, port)]
    return tuple(sorted(here, key=_latest))


def with_agent(
    seen: Sequence[SeenMember], spot: Spot, settings: RouterSettings
) -> tuple[str, tuple[Member, ...]]:
    """All members with the agent among them, and the name of its own."""
    found = next(iter(own(seen, spot.agent, spot.address, spot.port)), None)
    mine = _placed(found, spot, settings)
    return mine.name, (*without(seen, (mine.name,)), mine)


def without(seen: Iterable[SeenMember], names: Collection[str]) -> tuple[Member, ...]:
    """All members but these, as they are."""
    return tuple(one.member for one in seen if one.member.name not in names)


def with_moved(
    seen: Sequence[SeenMember], name: str, spot: Spot, settings: RouterSettings
) -> tuple[Member, ...]:
    """All members as they are, but the one of that name in another place, ready."""
    found = next(one for one in seen if one.member.name == name)
    return (*without(seen, (name,)), _placed(found, spot, settings))


def wanted_members(
    seen: Sequence[SeenMember], spots: Spots, specs: Collection[str], settings: RouterSettings
) -> tuple[Member, ...]:
    """The members that a backend of these specs should have.

    Each agent that serves has one, under the name that it has already, if any. What is not sure,
    in the dark or somebody else's stays as it is. Requests that wait for an agent that serves
    nowhere go to another one of its spec.
    """
    kept = {one.member.name: one for one in seen if agent_of(one.member.name, specs) is None}
    members = [one.member for one in kept.values()]
    left = [one for one in seen if one.member.name not in kept]
    for spot in sorted(spots.serve, key=lambda spot: (spot.agent, -spot.epoch)):
        found = next(iter(own(left, spot.agent, spot.address, spot.port)), None)
        members.append(_placed(found, spot, settings))
        left = [one for one in left if one is not found]
    unsure = [
        one for spot in spots.unsure for one in own(left, spot.agent, spot.address, spot.port)
    ]
    for one in left:
        if one in unsure or one.member.address in spots.dark or (one.held and spots.dark):
            members.append(one.member)
        elif one.held and (heir := _heir(one, spots, specs)) is not None:
            members.append(_placed(one, heir, settings))
    return tuple(sorted(members, key=lambda member: member.name))


def plan_routes(statuses: Iterable[RouterStatus]) -> Plan:
    """A step for each backend whose members are not as they should be."""
    asked = tuple(statuses)
    steps: list[Step] = []
    unchanged: list[str] = []
    for of, backend in _known(asked):
        if backend.as_wanted:
            unchanged.append(f"{of} has the members that it should have")
        else:
            steps.append(_route(of, backend))
    return Plan("reconcile routers", tuple(steps), tuple(unchanged), tuple(not_known(asked)))


def drift_of_routers(statuses: Iterable[RouterStatus]) -> tuple[Drift, ...]:
    """Each member that is not as it should be. What a router does not say is no drift."""
    return tuple(
        Drift(f"router.{of}", _said(change), hint=RECONCILE)
        for of, backend in _known(statuses)
        for change in member_changes(backend)
    )


def not_known(statuses: Iterable[RouterStatus]) -> Iterator[str]:
    """Which routers and backends could not be asked, and why."""
    for router in statuses:
        if router.error is not None:
            yield f"{router.settings.name}: {router.error.what}"
        for backend in router.backends:
            if backend.error is not None:
                yield f"{router.settings.name}/{backend.name}: {backend.error.what}"


def _known(statuses: Iterable[RouterStatus]) -> Iterator[tuple[str, BackendStatus]]:
    """The backends that were read, with their names: `lb/work`."""
    for router in statuses:
        for backend in router.backends:
            if backend.error is None:
                yield f"{router.settings.name}/{backend.name}", backend


def _said(change: Change) -> str:
    if change.before is None:
        return f"{change.name} is no member, and should be: {change.after}"
    if change.after is None:
        return f"{change.name} is a member, and should not be: {change.before}"
    return f"{change.name} is {change.before}, and should be {change.after}"


def _route(of: str, backend: BackendStatus) -> Step:
    return Step(
        Action.ROUTE,
        EVERYWHERE,
        None,
        "its members are not those that run",
        changes=member_changes(backend),
        router=of,
    )


def member_changes(backend: BackendStatus) -> tuple[Change, ...]:
    """What becomes of each member that is not as it should be."""
    now = {one.member.name: one for one in backend.seen}
    then = {member.name: member for member in backend.wanted}
    found = []
    for name in sorted(now.keys() | then.keys(), key=by_name):
        before = member_words(now[name].member, held=now[name].held) if name in now else None
        after = member_words(then[name]) if name in then else None
        if name not in now or name not in then or now[name].member != then[name]:
            found.append(Change(name, before, after))
    return tuple(found)


def member_words(member: Member, *, held: bool = False) -> str:
    """`10.0.0.1:8080 weight 100`, and its state unless it is ready."""
    if held:
        return "requests wait"
    state = "" if member.state is MemberState.READY else f" {member.state}"
    return f"{member_place(member)} weight {member.weight}{state}"


def member_place(member: Member) -> str:
    host = f"[{member.address}]" if ":" in member.address else member.address
    return f"{host}:{member.port}"


def _heir(one: SeenMember, spots: Spots, specs: Collection[str]) -> Spot | None:
    spec = str(agent_of(one.member.name, specs)).rpartition("-")[0]
    of_spec = (spot for spot in spots.serve if spot.agent.rpartition("-")[0] == spec)
    return min(of_spec, key=lambda spot: spot.agent, default=None)


def _placed(found: SeenMember | None, spot: Spot, settings: RouterSettings) -> Member:
    """The member at its place, ready; the weight that it has was given to it by somebody."""
    if found is None:
        return Member(member_name(spot.agent, spot.epoch), spot.address, spot.port, settings.weight)
    return replace(
        found.member,
        address=spot.address,
        port=spot.port,
        weight=found.member.weight or settings.weight,
        state=MemberState.READY,
    )


def _at(member: Member, address: str, port: int | None) -> bool:
    return member.address == address and port in (None, member.port)


def _latest(one: SeenMember) -> tuple[bool, int, str]:
    """One whose place is known comes before one that is held."""
    found = _NAME.fullmatch(one.member.name)
    epoch = int(found[3] or 0) if found is not None else 0
    return one.held, -epoch, one.member.name
