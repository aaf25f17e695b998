"""Routers as configured, and as they answer: which members serve, and which should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.routing import (
    BackendStatus,
    Member,
    MemberState,
    RouterSettings,
    RouterStatus,
    SeenMember,
)
from phoenixctl.model.units import format_duration
from phoenixctl.planning.order import by_name
from phoenixctl.planning.routing import agent_of, member_place, member_words
from phoenixctl.render.tables import Cell, styled, table
from phoenixctl.render.values import UNKNOWN

_STYLE: Final = {
    "up": "green", "ready": "green", "unproven": "cyan", "drain": "yellow", "maint": "yellow",
    "held": "yellow", "down": "red", "missing": "red",
}  # fmt: skip
_NUMBERS: Final = frozenset({"WEIGHT", "SESSIONS", "WAITING", "SERVED", "5XX", "MEAN"})
_DROPPED: Final = ("WAITING", "SERVED", "BACKEND", "ADDRESS")


def print_routers(routers: Iterable[RouterSettings], console: Console) -> None:
    """A line for each, without asking any."""
    rows: list[list[Cell]] = [
        [
            router.name,
            router.kind.value,
            router.node or "(here)",
            router.path,
            str(router.weight),
            _seconds(router.check_seconds),
            ", ".join(f"{spec} -> {backend}" for spec, backend in router.backends.items()) or "-",
        ]
        for router in routers
    ]
    columns = ("ROUTER", "KIND", "NODE", "PATH", "WEIGHT", "CHECK", "BACKENDS")
    table(console, columns, rows, right=frozenset({"WEIGHT"}))


def routers_document(fleet: Fleet) -> Mapping[str, Any]:
    return {
        "fleet": fleet.name,
        "routers": [_settings_document(router) for router in fleet.routers.values()],
    }


def print_status(routers: Sequence[RouterStatus], console: Console) -> None:
    """Each router, then every member of it, with those that are missing."""
    table(
        console, ("ROUTER", "KIND", "NODE", "VERSION", "PID", "UP"), [_router(r) for r in routers]
    )
    rows = [
        row for router in routers for backend in router.backends for row in _rows(router, backend)
    ]
    if rows:
        console.print()
        columns = (
            "ROUTER", "BACKEND", "MEMBER", "ADDRESS", "STATE", "WEIGHT", "SESSIONS", "WAITING",
            "SERVED", "5XX", "MEAN", "NOTE",
        )  # fmt: skip
        table(console, columns, rows, right=_NUMBERS, drop=_DROPPED)


def status_document(fleet: Fleet, routers: Sequence[RouterStatus]) -> Mapping[str, Any]:
    """The same for programs; what a router does not say is null."""
    return {
        "fleet": fleet.name,
        "as_wanted": all(is_as_wanted(router) for router in routers),
        "routers": [
            {
                **_settings_document(router.settings),
                "error": _error(router),
                "version": (router.facts and router.facts.version) or None,
                "pid": router.facts and router.facts.pid,
                "uptime_seconds": router.facts and router.facts.uptime_seconds,
                "members": [
                    _member_document(backend, name)
                    for backend in router.backends
                    for name in _names(backend)
                ],
                "backend_errors": {
                    backend.name: _error(backend) for backend in router.backends if backend.error
                },
            }
            for router in routers
        ],
    }


def is_as_wanted(router: RouterStatus) -> bool:
    return router.error is None and all(backend.as_wanted for backend in router.backends)


def _settings_document(router: RouterSettings) -> Mapping[str, Any]:
    return {
        "name": router.name,
        "kind": router.kind.value,
        "node": router.node,
        "path": router.path,
        "backends": dict(router.backends),
        "weight": router.weight,
        "slow_start_seconds": router.slow_start_seconds,
        "check_seconds": router.check_seconds,
        "max_sessions": router.max_sessions,
    }


def _error(about: RouterStatus | BackendStatus) -> Mapping[str, str] | None:
    error = about.error
    if error is None:
        return None
    return {"kind": error.kind, "what": error.what, "hint": error.hint}


def _member_document(backend: BackendStatus, name: str) -> Mapping[str, Any]:
    seen, wanted = _both(backend, name)
    member = seen.member if seen is not None else wanted
    return {
        "backend": backend.name,
        "name": name,
        "agent": agent_of(name, backend.specs),
        "state": _state(seen),
        "address": member and member.address,
        "port": member and member.port,
        "weight": seen and seen.member.weight,
        "effective_weight": seen and seen.effective_weight,
        "wanted": wanted
        and {
            "address": wanted.address,
            "port": wanted.port,
            "weight": wanted.weight,
            "state": wanted.state.value,
        },
        "as_wanted": (seen and seen.member) == wanted,
        "sessions": seen and seen.sessions,
        "waiting": seen and seen.waiting,
        "sessions_total": seen and seen.sessions_total,
        "errors_total": seen and seen.errors_total,
        "response_milliseconds": seen and seen.response_milliseconds,
        "queue_milliseconds": seen and seen.queue_milliseconds,
    }


def _router(router: RouterStatus) -> list[Cell]:
    settings, facts = router.settings, router.facts
    about: list[Cell] = [settings.name, settings.kind.value, settings.node or "(here)"]
    if router.error is not None:
        return [*about, styled(router.error.kind, "red"), UNKNOWN, UNKNOWN]
    if facts is None or not facts.version:
        return [*about, "-", "-", "-"]
    return [*about, facts.version, str(facts.pid or UNKNOWN), _seconds(facts.uptime_seconds)]


def _rows(router: RouterStatus, backend: BackendStatus) -> Iterator[list[Cell]]:
    about: list[Cell] = [router.settings.name, backend.name]
    if backend.error is not None:
        blanks: list[Cell] = ["-"] * 8
        yield [*about, UNKNOWN, *blanks, styled(backend.error.what, "red")]
    for name in _names(backend):
        seen, wanted = _both(backend, name)
        member = seen.member if seen is not None else wanted
        state = _state(seen)
        yield [
            *about,
            name,
            "-" if member is None or (seen is not None and seen.held) else member_place(member),
            styled(state, _STYLE[state]),
            "-" if seen is None else _weight(seen),
            *(_figures(seen) if seen is not None else ["-"] * 5),
            _note(backend, name, seen, wanted),
        ]


def _names(backend: BackendStatus) -> list[str]:
    names = {one.member.name for one in backend.seen} | {one.name for one in backend.wanted}
    return sorted(names, key=by_name)


def _both(backend: BackendStatus, name: str) -> tuple[SeenMember | None, Member | None]:
    seen = next((one for one in backend.seen if one.member.name == name), None)
    return seen, next((one for one in backend.wanted if one.name == name), None)


def _state(seen: SeenMember | None) -> str:
    if seen is None:
        return "missing"
    if seen.held:
        return "held"
    if seen.member.state is not MemberState.READY:
        return seen.member.state.value
    if seen.up is None:  # its first check is not over, or the router does not say
        return "ready" if seen.sessions is None else "unproven"
    return "up" if seen.up else "down"


def _weight(seen: SeenMember) -> str:
    """`100`, or `100 (12)` while it comes up slowly."""
    effective = seen.effective_weight
    same = effective is None or effective == seen.member.weight
    return str(seen.member.weight) if same else f"{seen.member.weight} ({effective})"


def _figures(seen: SeenMember) -> list[Cell]:
    mean = seen.response_milliseconds
    counts = (seen.sessions, seen.waiting, seen.sessions_total, seen.errors_total)
    return [
        *("-" if count is None else str(count) for count in counts),
        "-" if mean is None else f"{mean}ms",
    ]


def _note(
    backend: BackendStatus, name: str, seen: SeenMember | None, wanted: Member | None
) -> Cell:
    if wanted is None:
        return styled("should not be there", "red")
    if seen is None:
        return styled("should be there", "red")
    if seen.member != wanted:
        return styled(f"should be {member_words(wanted)}", "red")
    return Text("" if agent_of(name, backend.specs) else "no agent's", style="dim")


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds)
