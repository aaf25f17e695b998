"""NGINX's upstream servers as text: what is written is read back, and another's file is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.routing import Member, MemberState, RouterKind, RouterSettings
from phoenixctl.remote.nginx import file_name, parse_servers, render_servers
from phoenixctl.routers.nginx import Nginx


class Cut(Exception):
    """Whoever did it is no more."""


@dataclass
class Folder:
    """A place in memory; `breaks` is what every program ends in."""

    files: dict[str, bytes] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    breaks: Exception | None = None

    async def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    async def write(self, name: str, content: bytes) -> None:
        self.files[name] = content

    async def remove(self, name: str) -> None:
        self.files.pop(name, None)

    async def run(self, arguments: Sequence[str], *, timeout_seconds: float) -> None:
        del timeout_seconds
        if self.breaks is not None:
            raise self.breaks
        self.ran.append(arguments[-1])


def nginx(folder: Folder) -> Nginx:
    settings = RouterSettings("front", RouterKind.NGINX, "/n", {"agent": "work"})
    return Nginx(settings, folder)


async def test_who_was_cut_off_before_the_reload_is_made_good_by_doing_it_again() -> None:
    folder = Folder()
    await nginx(folder).reconcile("work", [Member("a", "10.0.0.1", 80)])
    folder.breaks = Cut()
    with pytest.raises(Cut):
        await nginx(folder).set_weights("work", {"a": 50})
    folder.breaks, folder.ran = None, []
    await nginx(folder).set_weights("work", {"a": 50})
    assert folder.ran == ["-t", "reload"]


async def test_a_first_file_that_is_not_taken_is_removed() -> None:
    folder = Folder(breaks=CommandFailed("nginx -t: no"))
    with pytest.raises(CommandFailed, match="the old one is back"):
        await nginx(folder).reconcile("work", [Member("a", "10.0.0.1", 80)])
    assert folder.files == {}


members = st.builds(
    Member,
    st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True),
    st.sampled_from(["10.0.0.1", "::1", "fe80::1%eth0"]),
    st.integers(0, 65535),
    st.integers(0, 256),
    st.sampled_from(MemberState),
)


def text(*found: Member) -> str:
    return render_servers("work", found).decode()


def test_a_server_is_a_line_with_its_weight() -> None:
    assert text(Member("a-0.1", "10.0.0.1", 80, 57), Member("b", "::1", 81)) == (
        "# Written by phoenixctl; changes here are lost.\n"
        "upstream work {\n"
        "    server 10.0.0.1:80 weight=57; # a-0.1 ready 57\n"
        "    server [::1]:81 weight=100; # b ready 100\n"
        "}\n"
    )


@pytest.mark.parametrize(
    "member",
    [
        Member("a", "10.0.0.1", 80, 0),
        Member("a", "10.0.0.1", 80, 9, MemberState.DRAIN),
        Member("a", "10.0.0.1", 80, 9, MemberState.MAINT),
    ],
)
def test_who_takes_nothing_is_down(member: Member) -> None:
    assert f"weight={max(1, member.weight)} down;" in text(member)


def test_an_upstream_of_nobody_is_one_that_nginx_takes() -> None:
    assert "server 127.0.0.1:1 down;" in text()
    assert parse_servers(render_servers("work", ()), "front", "work") == ()


@given(st.lists(members, unique_by=lambda member: member.name, max_size=5))
def test_what_is_written_is_read_back(found: list[Member]) -> None:
    read = parse_servers(render_servers("work", found), "front", "work")
    assert [one.member for one in read] == sorted(found, key=lambda member: member.name)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"upstream work { server 10.0.0.1:80; }\n",
        render_servers("other", ()),
        render_servers("work", [Member("a", "10.0.0.1", 80)]).replace(b" # a ready 100", b""),
    ],
)
def test_a_file_that_is_not_ours_is_refused(document: bytes) -> None:
    with pytest.raises(CommandFailed, match="not the servers of work"):
        parse_servers(document, "front", "work")


def test_a_backend_s_name_cannot_leave_the_folder() -> None:
    with pytest.raises(ValueError, match="not a name"):
        file_name("../work")
