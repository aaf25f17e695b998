"""NGINX's upstream servers in text: one `upstream` block for each backend, a server a line.

What NGINX has no word for is in a comment at the end of the line: the member's name, its state and
its weight. A drained member, one in maintenance and one of weight 0 are `down`: NGINX knows no
draining, but a reload lets old workers finish.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.routing import Member, MemberState, SeenMember, check_word

_HEAD: Final = "# Written by phoenixctl; changes here are lost.\n"
# NGINX refuses an upstream without servers.
_NOBODY: Final = "    server 127.0.0.1:1 down;\n"
_SERVER: Final = re.compile(
    r"    server (?:\[([0-9A-Za-z:%._-]+)\]|([0-9.]+)):([0-9]+) weight=[0-9]+(?: down)?;"
    r" # ([A-Za-z0-9_.:-]+) ([a-z]+) ([0-9]+)"
)


def file_name(backend: str) -> str:
    return f"{check_word(backend)}.conf"


def render_servers(backend: str, members: Iterable[Member]) -> bytes:
    """The file of a backend; its members in the order of names, so that the same are the same."""
    ordered = sorted(members, key=lambda one: one.name)
    lines = "".join(_server(member) for member in ordered) or _NOBODY
    return f"{_HEAD}upstream {check_word(backend)} {{\n{lines}}}\n".encode("ascii")


def parse_servers(document: bytes, where: str, backend: str) -> tuple[SeenMember, ...]:
    """The members that a file of ours names; CommandFailed for a file that is another's."""
    lines = document.decode("ascii", "replace").splitlines()
    body = [line for line in lines[2:-1] if f"{line}\n" != _NOBODY]
    found = [_SERVER.fullmatch(line) for line in body]
    ours = lines[:1] == [_HEAD.rstrip()] and lines[1:2] == [f"upstream {backend} {{"]
    try:
        if not ours or lines[-1] != "}":
            raise ValueError("another's lines")
        return tuple(SeenMember(_member(line)) for line in found)
    except ValueError as error:
        raise CommandFailed(
            f"{where}: not the servers of {backend} as phoenixctl writes them ({error})",
            hint="move the file away; it is written anew from what is wanted",
        ) from None


def _server(member: Member) -> str:
    host = f"[{member.address}]" if ":" in member.address else member.address
    down = "" if member.takes_traffic else " down"
    said = f"{member.name} {member.state.value} {member.weight}"
    return f"    server {host}:{member.port} weight={max(1, member.weight)}{down}; # {said}\n"


def _member(line: re.Match[str] | None) -> Member:
    if line is None:
        raise ValueError("a line that is none of ours")
    six, four, port, name, state, weight = line.groups()
    return Member(name, six or four, int(port), int(weight), MemberState(state))
