"""Routers for people and programs: every member with what is wrong with it, and those missing."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from phoenixctl.model.errors import CommandFailed, Unreachable
from phoenixctl.model.routing import (
    BackendStatus,
    Member,
    MemberState,
    RouterFacts,
    RouterKind,
    RouterSettings,
    RouterStatus,
    SeenMember,
)
from phoenixctl.render.routers import (
    is_as_wanted,
    print_routers,
    print_status,
    routers_document,
    status_document,
)
from tests.builders import fleet, node

LB = RouterSettings("lb", RouterKind.HAPROXY, "/run/h.sock", {"work": "be"}, check_seconds=2.0)
EDGE = RouterSettings("edge", RouterKind.ENVOY, "/eds", {"work": "be"}, node=node("n1").name)
FACTS = RouterFacts("2.6.12", pid=7, uptime_seconds=90.0)


def member(name: str, port: int = 80) -> Member:
    return Member(name, "10.0.0.1", port)


def up(name: str, **more: object) -> SeenMember:
    figures = {
        "up": True, "effective_weight": 100, "sessions": 2, "waiting": 1, "sessions_total": 30,
        "errors_total": 4, "response_milliseconds": 5,
    }  # fmt: skip
    return replace(SeenMember(member(name)), **(figures | more))  # type: ignore[arg-type]


def status(*seen: SeenMember, wanted: tuple[Member, ...] = ()) -> RouterStatus:
    return RouterStatus(LB, FACTS, (BackendStatus("be", ("work",), seen, wanted),))


def rows(*routers: RouterStatus) -> dict[str, str]:
    """What is printed of each member, and of each router."""
    console = Console(file=io.StringIO(), width=300)
    print_status(routers, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    members = {line.split()[2]: " ".join(line.split()[3:]) for line in lines if " be " in line}
    return members | {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line}


def test_every_member_is_shown_with_what_is_wrong() -> None:
    drained = replace(member("work-1.1"), state=MemberState.DRAIN)
    shown = rows(
        status(
            up("work-0.1"),
            SeenMember(drained, up=True),
            up("work-2.1", up=False),
            up("work-3.1", up=None, effective_weight=10),
            up("work-4.1", held=True),
            up("other"),
            wanted=(
                member("work-0.1"), member("work-1.1"), member("work-2.1"), member("work-5.1", 85),
                member("other"),
            ),
        )
    )  # fmt: skip
    assert shown["work-0.1"] == "10.0.0.1:80 up 100 2 1 30 4 5ms"
    assert shown["work-1.1"] == ("10.0.0.1:80 drain 100 - - - - - should be 10.0.0.1:80 weight 100")
    assert shown["work-2.1"].startswith("10.0.0.1:80 down 100")
    assert shown["work-3.1"].startswith("10.0.0.1:80 unproven 100 (10) ")
    assert shown["work-3.1"].endswith("should not be there")
    assert shown["work-4.1"].startswith("- held")
    assert shown["work-5.1"] == "10.0.0.1:85 missing - - - - - - should be there"
    assert shown["other"].endswith("no agent's")


def test_a_router_is_shown_with_its_process_or_why_it_says_nothing() -> None:
    silent = RouterStatus(replace(LB, name="dead"), error=Unreachable("nobody there"))
    envoy = RouterStatus(EDGE, RouterFacts(""))
    shown = rows(status(), silent, envoy)
    assert shown["lb"] == "haproxy (here) 2.6.12 7 1m30s"
    assert shown["dead"] == "haproxy (here) unreachable ? ?"
    assert shown["edge"] == "envoy n1 - - -"


def test_a_backend_that_cannot_be_read_is_shown_with_the_reason() -> None:
    lost = BackendStatus("be", ("work",), error=CommandFailed("no such\x1b[31m proxy"))
    shown = rows(RouterStatus(LB, FACTS, (lost,)))
    assert shown["?"].endswith("no such\\x1b[31m proxy")


def test_the_document_says_all_and_null_for_what_is_not_known() -> None:
    f = fleet(node("a"), routers={"lb": LB})
    good = status(up("work-0.1"), wanted=(member("work-0.1"),))
    document = status_document(f, [good])
    [router] = document["routers"]
    [one] = router["members"]
    assert (document["as_wanted"], is_as_wanted(good)) == (True, True)
    assert (router["name"], router["version"], router["pid"]) == ("lb", "2.6.12", 7)
    assert (one["agent"], one["state"], one["as_wanted"]) == ("work-0", "up", True)
    assert (one["sessions"], one["errors_total"], one["response_milliseconds"]) == (2, 4, 5)

    bad = status(up("other"), wanted=(member("work-0.1"), member("other")))
    [other, missing] = status_document(f, [bad])["routers"][0]["members"]
    assert (other["agent"], other["as_wanted"]) == (None, True)
    assert (missing["state"], missing["weight"], missing["sessions"]) == ("missing", None, None)
    assert missing["wanted"]["port"] == 80
    assert not is_as_wanted(bad)
    assert good.backends[0].serves
    assert not bad.backends[0].serves

    silent = RouterStatus(LB, error=Unreachable("nobody there", hint="start it"))
    assert status_document(f, [silent])["routers"][0]["error"] == {
        "kind": "unreachable", "what": "nobody there", "hint": "start it",
    }  # fmt: skip


def test_routers_are_listed_without_being_asked() -> None:
    console = Console(file=io.StringIO(), width=300)
    print_routers([LB, EDGE], console)
    lines = [" ".join(line.split()) for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines[1:] == [
        "lb haproxy (here) /run/h.sock 100 2s work -> be",
        "edge envoy n1 /eds 100 - work -> be",
    ]
    [router] = routers_document(fleet(node("a"), routers={"lb": LB}))["routers"]
    assert (router["path"], router["check_seconds"]) == ("/run/h.sock", 2.0)
