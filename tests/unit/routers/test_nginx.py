"""NGINX's upstream servers as text: what is written is read back, and another's file is left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.routing import Member, MemberState
from phoenixctl.remote.nginx import file_name, parse_servers, render_servers

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
