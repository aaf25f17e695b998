"""The members that a router should have, from what is seen to run."""

from __future__ import annotations

import pytest

from phoenixctl.model.names import AgentId
from phoenixctl.model.routing import (
    Member,
    MemberState,
    RouterKind,
    RouterSettings,
    SeenMember,
)
from phoenixctl.planning.routing import Spot, Spots, agent_of, own, wanted_members

LB = RouterSettings("lb", RouterKind.HAPROXY, "/s", weight=50)
SPECS = ("work", "work-more")


def seen(name: str, address: str = "10.0.0.1", port: int = 80, weight: int = 100) -> SeenMember:
    return SeenMember(Member(name, address, port, weight), up=True)


def held(name: str) -> SeenMember:
    return SeenMember(Member(name, "127.0.0.1", 1), up=True, held=True)


def spot(agent: str, address: str = "10.0.0.1", port: int = 80, epoch: int = 9) -> Spot:
    return Spot(AgentId(agent), epoch, address, port)


def wanted(
    now: list[SeenMember],
    *serve: Spot,
    unsure: tuple[Spot, ...] = (),
    dark: tuple[str, ...] = (),
) -> dict[str, str]:
    found = wanted_members(now, Spots(serve, unsure, frozenset(dark)), SPECS, LB)
    return {
        one.name: f"{one.address}:{one.port} {one.weight}"
        + (f" {one.state}" if one.state is not MemberState.READY else "")
        for one in found
    }


@pytest.mark.parametrize(
    ("name", "agent"),
    [
        ("work-0", "work-0"),
        ("work-0.7", "work-0"),
        ("work-more-12.3", "work-more-12"),
        ("work", None),
        ("work-0.7.1", None),
        ("work-x", None),
        ("worker-0", None),
        ("other-0", None),
    ],
)
def test_a_members_name_says_whose_it_is(name: str, agent: str | None) -> None:
    assert agent_of(name, SPECS) == agent


def test_an_agent_has_the_members_at_its_place_the_latest_first() -> None:
    members = [
        seen("work-0"), seen("work-0.2"), seen("work-0.10"), held("work-0.1"),
        seen("work-0.3", port=81), seen("work-0.4", "10.0.0.2"), seen("work-1.1"),
    ]  # fmt: skip

    def names(port: int | None) -> list[str]:
        return [one.member.name for one in own(members, AgentId("work-0"), "10.0.0.1", port)]

    assert names(80) == ["work-0.10", "work-0.2", "work-0", "work-0.1"]
    assert names(None) == ["work-0.10", "work-0.3", "work-0.2", "work-0", "work-0.1"]


def test_who_serves_is_a_member_under_the_name_that_it_has() -> None:
    now = [seen("work-0.1", weight=7), seen("work-0.2", "10.0.0.2")]
    assert wanted(now, spot("work-0"), spot("work-1", port=81)) == {
        "work-0.1": "10.0.0.1:80 7",
        "work-1.9": "10.0.0.1:81 50",
    }


def test_who_was_drained_or_without_weight_is_ready_again() -> None:
    drained = SeenMember(Member("work-0.1", "10.0.0.1", 80, 0, MemberState.DRAIN))
    assert wanted([drained], spot("work-0")) == {"work-0.1": "10.0.0.1:80 50"}


def test_two_members_for_one_place_become_one() -> None:
    now = [seen("work-0.1"), seen("work-0.2")]
    assert wanted(now, spot("work-0")) == {"work-0.2": "10.0.0.1:80 100"}


def test_two_copies_of_one_agent_are_two_members() -> None:
    now = [seen("work-0.1")]
    both = wanted(now, spot("work-0", epoch=1), spot("work-0", "10.0.0.2", epoch=2))
    assert both == {"work-0.1": "10.0.0.1:80 100", "work-0.2": "10.0.0.2:80 50"}


def test_somebody_elses_members_stay_as_they_are() -> None:
    others = [seen("static", "-", 0), held("batch-0.1")]
    assert wanted(others) == {"static": "-:0 100", "batch-0.1": "127.0.0.1:1 100"}


def test_what_is_not_known_stays_as_it_is() -> None:
    now = [seen("work-0.1", weight=0), seen("work-1.1", "10.0.0.2"), seen("work-2.1", "10.0.0.3")]
    assert wanted(now, unsure=(spot("work-0"), spot("work-3")), dark=("10.0.0.2",)) == {
        "work-0.1": "10.0.0.1:80 0",
        "work-1.1": "10.0.0.2:80 100",
    }


def test_requests_that_wait_go_to_their_agent_or_to_another_one_of_its_kind() -> None:
    now = [held("work-0.1"), held("work-more-0.1")]
    assert wanted(now, spot("work-0"), spot("work-more-1")) == {
        "work-0.1": "10.0.0.1:80 100",
        "work-more-0.1": "10.0.0.1:80 100",
        "work-more-1.9": "10.0.0.1:80 50",
    }
    assert wanted(now, dark=("10.0.0.9",)) == {
        "work-0.1": "127.0.0.1:1 100",
        "work-more-0.1": "127.0.0.1:1 100",
    }
