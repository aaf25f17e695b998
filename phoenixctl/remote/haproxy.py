"""HAProxy's runtime socket in text: commands to write, answers to read.

Tried with HAProxy 2.6. Several commands go in one line, joined with `;`; each answer that has a
text begins with its severity, since the line asks for that first. Times are in milliseconds.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.routing import (
    Member,
    MemberState,
    RouterFacts,
    RouterSettings,
    SeenMember,
    check_word,
)

_WITH_SEVERITY: Final = "set severity-output number"
_SAID: Final = re.compile(r"\[(\d)\]: (.*)")
_ERROR: Final = 3  # as syslog counts: 4 and more are warnings and news
_LINE_BYTES: Final = 8000  # half of tune.bufsize, which a line may not exceed
DYNAMIC_SINCE: Final = (2, 6)  # `add server` with checks; before, it was an experiment

_NO_LIMIT: Final = 1_000_000
_NOWHERE: Final = ("127.0.0.1", 1)

# Bits of srv_admin_state.
_MAINT: Final = 0x01 | 0x02 | 0x20
_DRAIN: Final = 0x08 | 0x10
_CONFIGURED: Final = 0x02  # of srv_check_state and srv_agent_state
_CHECKED: Final = _CONFIGURED | 0x04  # and enabled
_FIRST_CHECK: Final = 1  # srv_check_status until a check is over


# Commands


def add(backend: str, member: Member, settings: RouterSettings) -> tuple[str, ...]:
    """A server that is not in the configuration file, with its weight: without it would be 1."""
    server = _server(backend, member.name)
    words = [f"add server {server} {_address(member)} weight {member.weight}"]
    if settings.check_seconds is not None:
        words.append(f"check inter {_milliseconds(settings.check_seconds)}")
    if settings.max_sessions:
        words.append(f"maxconn {settings.max_sessions}")
    if settings.slow_start_seconds:
        words.append(f"slowstart {_milliseconds(settings.slow_start_seconds)}")
    health = (f"enable health {server}",) if settings.check_seconds is not None else ()
    return (" ".join(words), *health, *in_state(backend, member.name, member.state))


def remove(backend: str, name: str) -> tuple[str, ...]:
    return (*in_state(backend, name, MemberState.MAINT), f"del server {_server(backend, name)}")


def in_state(backend: str, name: str, state: MemberState) -> tuple[str, ...]:
    return (f"set server {_server(backend, name)} state {state.value}",)


def weigh(backend: str, name: str, weight: int) -> tuple[str, ...]:
    return (f"set server {_server(backend, name)} weight {weight}",)


def hush(backend: str, name: str) -> tuple[str, ...]:
    """End the agent-check, which would overwrite a weight at its next answer."""
    return (f"disable agent {_server(backend, name)}",)


def move(backend: str, member: Member) -> tuple[str, ...]:
    server = _server(backend, member.name)
    return (f"set server {server} addr {member.address} port {member.port}",)


def hold(backend: str, name: str, *, checked: bool) -> tuple[str, ...]:
    """Requests queue up in HAProxy, for `timeout queue` at the longest.

    With `maxconn 1` all but one wait in the queue; that one is refused by a port where nobody
    listens, and tries again. A server without weight or drained would fail them all instead.
    """
    server = _server(backend, name)
    return (
        *((f"disable health {server}",) if checked else ()),  # it would be found down
        f"set maxconn server {server} 1",
        f"set server {server} addr {_NOWHERE[0]} port {_NOWHERE[1]}",
    )


def release(
    backend: str, member: Member, settings: RouterSettings, *, checked: bool
) -> tuple[str, ...]:
    """End what `hold` began, at the member's address."""
    server = _server(backend, member.name)
    return (
        *move(backend, member),
        # A server without a limit takes nobody from the queue, which would stand for ever; one with
        # a limit that is never reached takes some at once, and more with each that it has answered.
        f"set maxconn server {server} {settings.max_sessions or _NO_LIMIT}",
        *((f"enable health {server}",) if checked else ()),
    )


def cut_off(backend: str, name: str) -> tuple[str, ...]:
    return (f"shutdown sessions server {_server(backend, name)}",)


def asking(backend: str) -> tuple[str, ...]:
    return (f"show servers state {check_word(backend)}", f"show stat {check_word(backend)} 4 -1")


FACTS: Final = ("show info",)


def is_dynamic(command: str) -> bool:
    """Whether it needs a HAProxy that takes and gives up servers while it runs."""
    return command.startswith(("add server ", "del server "))


def lines(commands: Iterable[str]) -> Iterator[bytes]:
    """The commands in as few lines as HAProxy takes."""
    line = _WITH_SEVERITY
    for command in commands:
        if len(line) + len(command) + 1 > _LINE_BYTES:
            yield line.encode("ascii") + b"\n"
            line = _WITH_SEVERITY
        line += ";" + command
    if line != _WITH_SEVERITY:
        yield line.encode("ascii") + b"\n"


def _server(backend: str, name: str) -> str:
    return f"{check_word(backend)}/{check_word(name)}"


def _address(member: Member) -> str:
    """With IPv6 in brackets, else its last part would be the port."""
    host = f"[{member.address}]" if ":" in member.address else member.address
    return f"{host}:{member.port}"


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


# Answers


def checked(answer: bytes, router: str) -> str:
    """The answer as text. CommandFailed with what HAProxy said, where it said no."""
    text = answer.decode("utf-8", "replace")
    errors = [
        found[2].strip()
        for found in map(_SAID.match, text.splitlines())
        if found is not None and int(found[1]) <= _ERROR
    ]
    if errors:
        raise CommandFailed(
            f"{router}: HAProxy says: {'; '.join(errors)}",
            hint="see that the backend is in its configuration and the socket is `level admin`",
        )
    return text


def parse_facts(answer: bytes, router: str) -> RouterFacts:
    """What `show info` says. CommandFailed when it has no version."""
    text = checked(answer, router)
    pairs = (line.partition(": ") for line in text.splitlines())
    said = {key: value.strip() for key, _, value in pairs}
    if not said.get("Version"):
        raise CommandFailed(
            f"{router}: what answers there is not HAProxy's runtime socket",
            hint="give the path of a `stats socket` of its configuration",
        )
    uptime = _number(said, "Uptime_sec")
    return RouterFacts(
        said["Version"], _number(said, "Pid"), None if uptime is None else float(uptime)
    )


def parse_members(answer: bytes, router: str, backend: str) -> tuple[SeenMember, ...]:
    """The servers of a backend, in the order of names, from the answers to `asking`.

    CommandFailed where the backend is not known, or an answer cannot be read.
    """
    text = checked(answer, router)
    try:
        figures = {row.get("svname", ""): row for row in _figures(text, backend)}
        seen = [_member(row, figures.get(row["srv_name"], {})) for row in _states(text, backend)]
    except (ValueError, KeyError, csv.Error) as error:
        raise CommandFailed(
            f"{router}: the state of a server of {backend} cannot be read: {error}"
        ) from None
    return tuple(sorted(seen, key=lambda one: one.member.name))


def _states(text: str, backend: str) -> Iterator[Mapping[str, str]]:
    """Rows of `show servers state`, whose columns are named by a line of their own."""
    names: list[str] = []
    for line in text.splitlines():
        if line.startswith("# be_id "):
            names = line[2:].split()
        elif line.startswith("#") or not line:
            names = []
        elif names:
            row = dict(zip(names, line.split(), strict=False))
            if row.get("be_name") == backend:
                yield row


def _figures(text: str, backend: str) -> Iterator[Mapping[str, str]]:
    """Rows of `show stat`: CSV below a line that begins with `# pxname`."""
    found = text.splitlines()
    start = next((i for i, line in enumerate(found) if line.startswith("# pxname,")), len(found))
    table = [line for line in found[start:] if line]
    if table:
        table[0] = table[0][2:]
    for row in csv.DictReader(table):
        if row.get("pxname") == backend:
            yield row


def _member(state: Mapping[str, str], figures: Mapping[str, str]) -> SeenMember:
    admin = int(state["srv_admin_state"])
    told = _told(admin)
    agent = int(state["srv_agent_state"])
    weight = int(state["srv_uweight"])
    return SeenMember(
        Member(state["srv_name"], state["srv_addr"], int(state["srv_port"]), weight, told),
        up=None if told is MemberState.MAINT else _up(state),
        effective_weight=_number(figures, "weight"),
        sessions=_number(figures, "scur"),
        waiting=_number(figures, "qcur"),
        sessions_total=_number(figures, "stot"),
        sessions_per_second=_number(figures, "rate"),
        errors_total=_number(figures, "hrsp_5xx"),
        queue_milliseconds=_number(figures, "qtime"),
        response_milliseconds=_number(figures, "rtime"),
        weighs_itself=agent & _CHECKED == _CHECKED,
        checked=_checked(state),
        held=(state["srv_addr"], state["srv_port"]) == (_NOWHERE[0], str(_NOWHERE[1])),
    )


def _told(admin: int) -> MemberState:
    if admin & _MAINT:
        return MemberState.MAINT
    return MemberState.DRAIN if admin & _DRAIN else MemberState.READY


def _up(state: Mapping[str, str]) -> bool | None:
    if int(state["srv_op_state"]) == 0:
        return False
    return None if _checked(state) and int(state["srv_check_status"]) <= _FIRST_CHECK else True


def _checked(state: Mapping[str, str]) -> bool | None:
    bits = int(state["srv_check_state"])
    return bits & _CHECKED == _CHECKED if bits & _CONFIGURED else None


def _number(row: Mapping[str, str], key: str) -> int | None:
    value = row.get(key) or ""
    return int(value) if value.isascii() and value.isdigit() else None
