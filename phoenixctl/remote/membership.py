"""Members as wanted and as seen become changes, in an order that loses no request.

Newcomers come first; only when they can serve does anybody leave; who leaves is removed when it is
idle. A server that is to move to another address is drained before, if requests go to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from phoenixctl.model.errors import Refused
from phoenixctl.model.routing import Member, MemberState, RouterSettings, SeenMember
from phoenixctl.remote import haproxy


@dataclass(frozen=True, slots=True)
class Changes:
    """Commands in three parts, and whom to wait for between them.

    After `opening`, one of `serving` must be up before `closing` is sent. After `closing`, each of
    `leaving` must be idle before its commands in `removing` are sent.
    """

    opening: tuple[str, ...] = ()
    serving: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    removing: tuple[tuple[str, tuple[str, ...]], ...] = ()  # by member

    @property
    def commands(self) -> tuple[str, ...]:
        last = [command for _, commands in self.removing for command in commands]
        return (*self.opening, *self.closing, *last)


def plan_changes(
    backend: str,
    seen: Sequence[SeenMember],
    wanted: Sequence[Member],
    settings: RouterSettings,
    *,
    may_silence: bool = False,
) -> Changes:
    """What makes the members seen those that are wanted; nothing when they are. Requests that wait
    for a member wait on as long as it is wanted as it is.

    ValueError for a name that is wanted twice. Refused for an address that is not in numbers, for
    who is held and not wanted, and when nobody would be left to serve.
    """
    now, then = _by_name(backend, seen, wanted)
    if not may_silence:
        _refuse_weightless(backend, then.values())
        refuse_silence(backend, seen, _after(now, then))
    opening: list[str] = []
    closing: list[str] = []
    removing: dict[str, tuple[str, ...]] = {}
    leaving: list[str] = []
    for member in then.values():
        if member.name not in now:
            opening += haproxy.add(backend, member, settings)
        elif now[member.name].held:
            if _moves(now[member.name], member):  # else they wait on
                opening += _released(backend, now[member.name], member, settings)
        elif not _moves(now[member.name], member):
            part = opening if member.takes_traffic else closing
            part += _adjusted(backend, now[member.name], member)
        elif now[member.name].serves:
            closing += haproxy.in_state(backend, member.name, MemberState.DRAIN)
            leaving.append(member.name)
            removing[member.name] = _moved(backend, now[member.name], member)
        else:
            opening += _moved(backend, now[member.name], member)
    for name in sorted(now.keys() - then.keys()):
        _refuse_held(backend, now[name])
        if now[name].member.state is MemberState.READY:
            closing += haproxy.in_state(backend, name, MemberState.DRAIN)
        leaving.append(name)
        removing[name] = haproxy.remove(backend, name)
    return Changes(
        tuple(opening),
        tuple(_serving(now, then)),
        tuple(closing),
        tuple(leaving),
        tuple(removing.items()),
    )


def plan_weights(
    backend: str, seen: Sequence[SeenMember], weights: Mapping[str, int]
) -> tuple[str, ...]:
    """Commands for these weights, heavier ones first, so that their sum is never 0 in between.

    ValueError names a member that is not there; Refused when nobody would be left to serve.
    """
    now = _all_there(backend, seen, weights)
    after = [
        replace(one.member, weight=weights.get(one.member.name, one.member.weight)) for one in seen
    ]
    _refuse_weightless(backend, after)
    refuse_silence(backend, seen, after)
    commands: list[str] = []
    for name in sorted(weights, key=lambda name: (-weights[name], name)):
        commands += _weighed(backend, now[name], weights[name])
    return tuple(commands)


def plan_state(
    backend: str,
    seen: Sequence[SeenMember],
    name: str,
    state: MemberState,
    *,
    may_silence: bool = False,
) -> tuple[str, ...]:
    """The command that brings a member to a state; none when it is there already."""
    now = _all_there(backend, seen, (name,))
    after = [replace(one.member, state=state) if one is now[name] else one.member for one in seen]
    if not may_silence:
        refuse_silence(backend, seen, after)
    if now[name].member.state is state:
        return ()
    return haproxy.in_state(backend, name, state)


def plan_hold(backend: str, seen: Sequence[SeenMember], name: str) -> tuple[str, ...]:
    """Commands that let requests for a member wait; none when they do already."""
    found = _all_there(backend, seen, (name,))[name]
    return () if found.held else haproxy.hold(backend, name, checked=bool(found.checked))


def plan_list(
    backend: str,
    seen: Sequence[SeenMember],
    wanted: Sequence[Member],
    *,
    cut_off: bool = False,
    may_silence: bool = False,
) -> tuple[tuple[Member, ...], tuple[str, ...]]:
    """The next list of members for a router that takes whole lists, and who leaves but is in it.

    Such a router does not say who is idle: a member that leaves is drained by one list and missing
    from the next one; with `cut_off` it is missing at once. ValueError and Refused as above.
    """
    now, then = _by_name(backend, seen, wanted)
    if not may_silence:
        _refuse_weightless(backend, then.values())
        refuse_silence(backend, seen, then.values())
    leaving = [
        replace(now[name].member, state=MemberState.DRAIN)
        for name in now.keys() - then.keys()
        if now[name].member.state is MemberState.READY and not cut_off
    ]
    ordered = sorted((*then.values(), *leaving), key=lambda one: one.name)
    return tuple(ordered), tuple(sorted(one.name for one in leaving))


def refuse_silence(backend: str, seen: Sequence[SeenMember], after: Iterable[Member]) -> None:
    """Refused when requests are served now and would not be afterwards.

    Whoever is down does not count, unless nobody is up: there is no panic mode that would send
    requests to drained or weightless servers, they all would fail.
    """
    serving = [one.member.name for one in seen if one.serves or one.held]
    down = {one.member.name for one in seen if one.up is False}
    left = [member.name for member in after if member.takes_traffic and member.name not in down]
    if serving and not left:
        raise Refused(
            f"{backend}: nobody would be left to serve it: {', '.join(serving)} would be gone, "
            "drained or without weight",
            hint="bring another member up first, or say that nobody shall serve it",
        )


def _refuse_weightless(backend: str, after: Iterable[Member]) -> None:
    """Refused for ready members that all have weight 0, whether or not any is up just now."""
    ready = [member for member in after if member.state is MemberState.READY]
    if ready and not any(member.weight for member in ready):
        raise Refused(
            f"{backend}: every ready member would have weight 0, and every request would fail",
            hint="give at least one of them a weight of 1 or more",
        )


def _by_name(
    backend: str, seen: Sequence[SeenMember], wanted: Sequence[Member]
) -> tuple[dict[str, SeenMember], dict[str, Member]]:
    then = {member.name: member for member in sorted(wanted, key=lambda one: one.name)}
    if len(then) < len(wanted):
        raise ValueError(f"{backend}: two wanted members have one name")
    now = {one.member.name: one for one in seen}
    for member in then.values():
        if member.name not in now or _moves(now[member.name], member):
            _refuse_host_name(backend, member)
    return now, then


def _refuse_held(backend: str, seen: SeenMember) -> None:
    """One request tries again and again at a held server; HAProxy 2.6 fails it, or worse, when the
    server is deleted meanwhile."""
    if seen.held:
        raise Refused(
            f"{backend}: requests wait for {seen.member.name}, so it cannot be removed",
            hint="give them an address under its name first: its own, or that of its successor",
        )


def _refuse_host_name(backend: str, member: Member) -> None:
    """HAProxy takes a name, says nothing, and sends the requests nowhere; Envoy takes no name."""
    try:
        ip_address(member.address)
    except ValueError:
        raise Refused(
            f"{backend}: the address of {member.name} is not in numbers: {member.address}",
            hint="give the node an `address` in numbers",
        ) from None


def _after(now: Mapping[str, SeenMember], then: Mapping[str, Member]) -> list[Member]:
    """Who could serve while the change goes on: not those that are drained to be moved."""
    return [
        member
        for member in then.values()
        if member.name not in now
        or not (_moves(now[member.name], member) and now[member.name].serves)
    ]


def _serving(now: Mapping[str, SeenMember], then: Mapping[str, Member]) -> list[str]:
    return sorted(member.name for member in _after(now, then) if member.takes_traffic)


def _moves(seen: SeenMember, member: Member) -> bool:
    return (seen.member.address, seen.member.port) != (member.address, member.port)


def _moved(backend: str, seen: SeenMember, member: Member) -> tuple[str, ...]:
    return (
        *haproxy.in_state(backend, member.name, MemberState.MAINT),
        *haproxy.move(backend, member),
        *_weighed(backend, seen, member.weight),
        *haproxy.in_state(backend, member.name, member.state),
    )


def _released(
    backend: str, seen: SeenMember, member: Member, settings: RouterSettings
) -> tuple[str, ...]:
    """Never by way of maintenance, which would fail the requests that wait."""
    checked = seen.checked is not None
    return (
        *_adjusted(backend, seen, member),
        *haproxy.release(backend, member, settings, checked=checked),
    )


def _adjusted(backend: str, seen: SeenMember, member: Member) -> tuple[str, ...]:
    """The weight before the state: who becomes ready has the right share from the start."""
    weighed = _weighed(backend, seen, member.weight)
    if seen.member.state is member.state:
        return weighed
    return (*weighed, *haproxy.in_state(backend, member.name, member.state))


def _weighed(backend: str, seen: SeenMember, weight: int) -> tuple[str, ...]:
    name = seen.member.name
    hushed = haproxy.hush(backend, name) if seen.weighs_itself else ()
    if seen.member.weight == weight:
        return hushed
    return (*hushed, *haproxy.weigh(backend, name, weight))


def _all_there(
    backend: str, seen: Sequence[SeenMember], names: Iterable[str]
) -> Mapping[str, SeenMember]:
    now = {one.member.name: one for one in seen}
    if absent := sorted(set(names) - now.keys()):
        raise ValueError(f"{backend} has no member {', '.join(absent)}")
    return now
