"""The members that a router should have, from what is seen to run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.names import AgentId
from phoenixctl.model.plan import Risk
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
from phoenixctl.model.state import State
from phoenixctl.planning.copies import Copies
from phoenixctl.planning.draft import Draft
from phoenixctl.planning.routing import (
    RECONCILE,
    Spot,
    Spots,
    agent_of,
    drift_of_routers,
    not_known,
    own,
    plan_routes,
    wanted_members,
)
from phoenixctl.planning.undoing import Undoing
from tests.builders import fleet, snapshot

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


def test_a_plan_has_a_step_for_each_backend_that_is_not_as_it_should_be() -> None:
    drained = Member("work-2.1", "fd00::1", 80, 5, MemberState.DRAIN)
    right = BackendStatus(
        "right", SPECS, (seen("work-0.1"),), (Member("work-0.1", "10.0.0.1", 80),)
    )
    wrong = BackendStatus(
        "wrong",
        SPECS,
        (seen("work-10.1"), held("work-9.1"), SeenMember(drained)),
        (
            Member("work-9.1", "10.0.0.3", 80),
            replace(drained, state=MemberState.READY),
            Member("work-1.1", "10.0.0.2", 80, 7),
        ),
    )
    lost = BackendStatus("lost", SPECS, error=CommandFailed("no such backend"))
    plan = plan_routes([RouterStatus(LB, RouterFacts("2.6"), (right, wrong, lost))])
    [step] = plan.steps
    assert (step.key, step.address) == ("set members lb/wrong", "router.lb/wrong")
    assert step.risk is Risk.SAFE
    assert [(change.name, change.before, change.after) for change in step.changes] == [
        ("work-1.1", None, "10.0.0.2:80 weight 7"),
        ("work-2.1", "[fd00::1]:80 weight 5 drain", "[fd00::1]:80 weight 5"),
        ("work-9.1", "requests wait", "10.0.0.3:80 weight 100"),
        ("work-10.1", "10.0.0.1:80 weight 100", None),
    ]
    assert plan.unchanged == ("lb/right has the members that it should have",)
    assert plan.warnings == ("lb/lost: no such backend",)


def test_each_member_that_is_not_as_it_should_be_is_drift_if_its_router_says() -> None:
    drained = Member("work-2.1", "10.0.0.2", 80, 5, MemberState.DRAIN)
    backend = BackendStatus(
        "be",
        SPECS,
        (seen("work-0.1"), seen("work-3.1"), SeenMember(drained)),
        (
            Member("work-0.1", "10.0.0.1", 80),
            Member("work-1.1", "10.0.0.2", 80, 7),
            replace(drained, state=MemberState.READY),
        ),
    )
    lost = BackendStatus("lost", SPECS, error=CommandFailed("no such backend"))
    asked = [
        RouterStatus(LB, RouterFacts("2.6"), (backend, lost)),
        RouterStatus(replace(LB, name="edge"), error=CommandFailed("nobody listens")),
    ]
    found = drift_of_routers(asked)
    assert [drift.what for drift in found] == [
        "work-1.1 is no member, and should be: 10.0.0.2:80 weight 7",
        "work-2.1 is 10.0.0.2:80 weight 5 drain, and should be 10.0.0.2:80 weight 5",
        "work-3.1 is a member, and should not be: 10.0.0.1:80 weight 100",
    ]
    assert {(drift.address, drift.hint) for drift in found} == {("router.lb/be", RECONCILE)}
    assert list(not_known(asked)) == ["lb/lost: no such backend", "edge: nobody listens"]


def test_nothing_takes_a_route_back_and_a_rollback_does_not_mind() -> None:
    lacks = BackendStatus("be", SPECS, (), (Member("work-0.1", "10.0.0.1", 80),))
    [step] = plan_routes([RouterStatus(LB, RouterFacts("2.6"), (lacks,))]).steps
    draft = Draft()
    nothing = snapshot()
    undoing = Undoing(
        "5", [step], {}, fleet(), State("test", "f00d", 4), nothing, Copies(nothing), draft
    )
    assert undoing.undo(step) == ()
    assert (draft.steps, draft.warnings) == ({}, [])
