"""Who gets an agent's traffic: routers, what is wanted of them, and what they say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.names import AgentId, NodeName

HEAVIEST: Final = 256  # the largest weight a router takes; 0 is none of the traffic
_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9_.:%-]{1,255}")


class RouterKind(StrEnum):
    HAPROXY = "haproxy"  # spoken to through its runtime socket
    ENVOY = "envoy"  # reads one file of endpoints for each backend
    NGINX = "nginx"  # includes one file of servers for each backend, and is reloaded


class MemberState(StrEnum):
    """What an operator lets a member do; whether it can is its health."""

    READY = "ready"  # takes requests
    DRAIN = "drain"  # finishes what it has
    MAINT = "maint"  # takes nothing and is not checked


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """A router as configured.

    `path`: HAProxy's runtime socket, or the folder of Envoy's or NGINX's files; on the operator's
    machine, or on `node`. `test` and `reload` are run there when a file of NGINX's has changed.
    `weight` is what a member of full capacity has. A member that comes up gets its share over
    `slow_start_seconds`, and is checked every `check_seconds` (None: never).
    """

    name: str
    kind: RouterKind
    path: str
    backends: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # by spec
    node: NodeName | None = None
    weight: int = 100
    slow_start_seconds: float = 0.0
    check_seconds: float | None = None
    max_sessions: int = 0  # of one member at a time, the rest waits; 0: no limit
    timeout_seconds: float = 5.0
    test: tuple[str, ...] = ("nginx", "-t")
    reload: tuple[str, ...] = ("nginx", "-s", "reload")


@dataclass(frozen=True, slots=True)
class Member:
    """One agent behind a router. ValueError where a name, port or weight cannot be one.

    Only an `address` in numbers can be wanted; what a router has may be `-`, which is none.
    """

    name: str
    address: str
    port: int
    weight: int = 100
    state: MemberState = MemberState.READY

    def __post_init__(self) -> None:
        check_word(self.name)
        if not _ADDRESS.fullmatch(self.address):
            raise ValueError(f"{self.address!r} is not an address")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"{self.port} is not a port")
        if not 0 <= self.weight <= HEAVIEST:
            raise ValueError(f"{self.weight} is not a weight; use 0 to {HEAVIEST}")

    @property
    def takes_traffic(self) -> bool:
        return self.state is MemberState.READY and self.weight > 0


@dataclass(frozen=True, slots=True)
class SeenMember:
    """A member as its router has it. None: this router does not say.

    `up` is None too for one whose first check is not over: it gets requests already.
    `effective_weight` is less than the weight while the member comes up slowly. `sessions` are
    open now, `waiting` requests stand in its own queue. The means are of its last 1024 requests,
    and stand still while there are none: read them with the change of `sessions_total`.
    """

    member: Member
    up: bool | None = None
    effective_weight: int | None = None
    sessions: int | None = None
    waiting: int | None = None
    sessions_total: int | None = None
    sessions_per_second: int | None = None
    errors_total: int | None = None  # answers with a 5xx status
    queue_milliseconds: int | None = None
    response_milliseconds: int | None = None
    weighs_itself: bool = False  # an agent-check changes the weight, whatever is set
    checked: bool | None = None  # whether its checks run; None: it has none
    held: bool = False  # requests for it wait until it is released or another one comes

    @property
    def serves(self) -> bool:
        """Whether requests go there now."""
        return self.member.takes_traffic and self.up is not False and not self.held

    @property
    def proven(self) -> bool:
        """Whether it is known that requests going there are answered."""
        return self.serves and self.up is True

    @property
    def idle(self) -> bool | None:
        """Whether nothing of a client is in it any more."""
        if self.sessions is None:
            return None
        return self.sessions + (self.waiting or 0) == 0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What it took to have the members as wanted.

    `commands` were sent, those of busy members excepted. `busy` are members that leave and still
    had sessions when the time was over: they take nothing new, and the next reconcile removes them.
    """

    commands: tuple[str, ...] = ()
    busy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """A backend as it is and as it should be; with an `error` one of both is not known."""

    name: str
    specs: tuple[str, ...]
    seen: tuple[SeenMember, ...] = ()
    wanted: tuple[Member, ...] = ()
    error: PhoenixError | None = None

    @property
    def as_wanted(self) -> bool:
        """Whether the members are those that it should have; they may be down all the same."""
        now = {one.member.name: one.member for one in self.seen}
        return self.error is None and now == {member.name: member for member in self.wanted}

    @property
    def serves(self) -> bool:
        """Whether requests go to every member that shall have some."""
        wanted = {member.name for member in self.wanted if member.takes_traffic}
        return wanted <= {one.member.name for one in self.seen if one.serves}


@dataclass(frozen=True, slots=True)
class RouterStatus:
    """A router as it answers; with an `error` nothing else is known of it."""

    settings: RouterSettings
    facts: RouterFacts | None = None
    backends: tuple[BackendStatus, ...] = ()
    error: PhoenixError | None = None


@dataclass(frozen=True, slots=True)
class RouterFacts:
    """The router's process: another `pid` than before means that it was started again.

    An empty `version` is of a router that does not say.
    """

    version: str
    pid: int | None = None
    uptime_seconds: float | None = None

    @property
    def release(self) -> tuple[int, int]:
        """The first two numbers of the version; (0, 0) where it has none."""
        found = re.match(r"(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2])) if found else (0, 0)


def check_word(text: str) -> str:
    """The name of a backend or member; ValueError for what could be more than one word."""
    if not _WORD.fullmatch(text):
        raise ValueError(f"{text!r} is not a name for a router; use letters, digits and _ . : -")
    return text


def member_name(agent: AgentId, epoch: int) -> str:
    """`ingest-0.7`: one start of an agent, so that two of them can be members at a time."""
    return f"{agent}.{epoch}"


def scaled(base: int, share: float) -> int:
    """A share of the base weight in whole numbers: never 0 for a share that is more than none."""
    if not (math.isfinite(share) and share >= 0):
        raise ValueError(f"{share} is not a share of traffic")
    if share == 0:
        return 0
    return max(1, min(HEAVIEST, round(base * share)))
