"""From members seen to members wanted: what is said to HAProxy, and in which order."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.errors import Refused
from phoenixctl.model.routing import (
    Member,
    MemberState,
    RouterKind,
    RouterSettings,
    SeenMember,
    scaled,
)
from phoenixctl.remote.membership import (
    Changes,
    plan_changes,
    plan_hold,
    plan_list,
    plan_state,
    plan_weights,
    refuse_silence,
)

LB = RouterSettings("lb", RouterKind.HAPROXY, "/run/h.sock")
READY, DRAIN, MAINT = MemberState.READY, MemberState.DRAIN, MemberState.MAINT


def member(name: str, **fields: object) -> Member:
    return Member(**({"name": name, "address": "10.0.0.1", "port": 80} | fields))  # type: ignore[arg-type]


def seen(name: str, *, up: bool | None = True, agent: bool = False, **fields: object) -> SeenMember:
    return SeenMember(member(name, **fields), up=up, sessions=0, weighs_itself=agent)


def plan(now: list[SeenMember], then: list[Member], **options: bool) -> Changes:
    return plan_changes("be", now, then, LB, **options)


def test_a_newcomer_is_added_with_its_weight_before_it_gets_requests() -> None:
    checked = replace(LB, check_seconds=0.5, slow_start_seconds=10)
    changes = plan_changes("be", [], [member("a", weight=37)], checked)
    assert changes.opening == (
        "add server be/a 10.0.0.1:80 weight 37 check inter 500ms slowstart 10000ms",
        "enable health be/a",
        "set server be/a state ready",
    )


def test_an_ipv6_address_does_not_swallow_its_port() -> None:
    changes = plan([], [member("a", address="fd00::1")])
    assert changes.opening[0] == "add server be/a [fd00::1]:80 weight 100"


def test_an_address_that_is_a_name_is_refused_because_haproxy_would_take_it_for_none() -> None:
    with pytest.raises(Refused, match="not in numbers: node-7"):
        plan([], [member("a", address="node-7")])


def test_who_leaves_is_drained_and_removed_when_it_is_idle() -> None:
    changes = plan([seen("a"), seen("b")], [member("b")])
    assert changes.closing == ("set server be/a state drain",)
    assert changes.leaving == ("a",)
    assert changes.removing == (("a", ("set server be/a state maint", "del server be/a")),)


def test_the_newcomer_comes_before_anybody_leaves() -> None:
    changes = plan([seen("old")], [member("new")])
    assert changes.opening[0].startswith("add server be/new")
    assert changes.serving == ("new",)
    assert changes.closing == ("set server be/old state drain",)


def test_one_that_moves_is_drained_first_if_it_serves() -> None:
    changes = plan([seen("a"), seen("b")], [member("a", address="10.0.0.9"), member("b")])
    assert changes.opening == ()
    assert changes.serving == ("b",)
    assert changes.closing == ("set server be/a state drain",)
    assert changes.removing == (
        (
            "a",
            (
                "set server be/a state maint",
                "set server be/a addr 10.0.0.9 port 80",
                "set server be/a state ready",
            ),
        ),
    )


def test_one_that_is_down_moves_at_once() -> None:
    changes = plan([seen("a", up=False)], [member("a", address="10.0.0.9")])
    assert changes.opening[1] == "set server be/a addr 10.0.0.9 port 80"
    assert changes.closing == changes.leaving == ()


def test_the_only_one_that_serves_cannot_move() -> None:
    with pytest.raises(Refused):
        plan([seen("a")], [member("a", address="10.0.0.9")])


def test_the_weight_is_right_before_one_becomes_ready() -> None:
    changes = plan([seen("a", state=MAINT, up=None, weight=1)], [member("a")])
    assert changes.opening == ("set server be/a weight 100", "set server be/a state ready")


def test_an_agent_check_is_ended_before_a_weight_is_set() -> None:
    changes = plan([seen("a", agent=True, weight=75)], [member("a")])
    assert changes.opening == ("disable agent be/a", "set server be/a weight 100")


def test_who_is_held_is_released_without_a_moment_of_maintenance() -> None:
    assert plan_hold("be", [seen("a")], "a")[-1] == "set server be/a addr 127.0.0.1 port 1"
    held = replace(seen("a", address="127.0.0.1", port=1), held=True, checked=False)
    assert plan_hold("be", [held], "a") == ()
    assert plan([held], [member("a")]).commands == (
        "set server be/a addr 10.0.0.1 port 80",
        "set maxconn server be/a 1000000",
        "enable health be/a",
    )


def test_who_is_held_and_wanted_as_it_is_waits_on() -> None:
    held = replace(seen("a", address="127.0.0.1", port=1), held=True)
    changes = plan([held], [held.member, member("b")])
    assert changes.opening == (
        "add server be/b 10.0.0.1:80 weight 100",
        "set server be/b state ready",
    )
    assert changes.commands == changes.opening


def test_whose_address_is_not_known_may_stay_as_it_is() -> None:
    unresolved = seen("a", address="-")
    assert plan([unresolved], [unresolved.member, member("b")]).commands
    with pytest.raises(Refused, match="not in numbers"):
        plan([seen("a")], [unresolved.member])


def test_who_is_held_cannot_be_removed() -> None:
    held = replace(seen("a", address="127.0.0.1", port=1), held=True)
    with pytest.raises(Refused):
        plan([held], [])
    with pytest.raises(Refused, match="requests wait for a"):
        plan([held, seen("b")], [member("b")])


def test_weights_go_up_before_others_go_down() -> None:
    commands = plan_weights("be", [seen("a"), seen("b", weight=0)], {"a": 0, "b": 100})
    assert commands == ("set server be/b weight 100", "set server be/a weight 0")


def test_weights_that_are_all_0_are_refused_even_when_nobody_is_up() -> None:
    with pytest.raises(Refused, match="weight 0"):
        plan_weights("be", [seen("a", up=False)], {"a": 0})
    with pytest.raises(Refused, match="weight 0"):
        plan([], [member("a", weight=0)])


def test_the_last_one_that_is_up_is_not_drained_for_one_that_is_down() -> None:
    with pytest.raises(Refused, match="nobody would be left"):
        plan_state("be", [seen("a"), seen("b", up=False)], "a", DRAIN)
    assert plan_state("be", [seen("a"), seen("b")], "a", DRAIN) == ("set server be/a state drain",)
    assert plan_state("be", [seen("a"), seen("b", state=DRAIN)], "b", DRAIN) == ()


def test_a_member_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="no member z"):
        plan_weights("be", [seen("a")], {"z": 1})
    with pytest.raises(ValueError, match="one name"):
        plan([], [member("a"), member("a", port=81)])


@pytest.mark.parametrize("name", ["a;show info", "a b", "a\nb", "", "a/b", "ä"])
def test_a_name_cannot_become_a_command(name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        member(name)
    with pytest.raises(ValueError, match="not a name"):
        plan_changes(name, [], [member("a")], LB)


def test_a_small_share_of_traffic_is_never_none() -> None:
    assert [scaled(100, share) for share in (0, 0.001, 0.5, 1, 2, 9)] == [0, 1, 50, 100, 200, 256]
    assert scaled(1, 0.1) == 1
    with pytest.raises(ValueError):
        scaled(100, float("nan"))


# Properties, against servers that do as they are told.

MEMBERS = st.lists(
    st.builds(
        Member,
        st.sampled_from(list("abcdef")),
        st.sampled_from(["10.0.0.1", "10.0.0.2"]),
        st.sampled_from([80, 81]),
        st.sampled_from([0, 1, 100, 256]),
        st.sampled_from(list(MemberState)),
    ),
    unique_by=lambda one: one.name,
    max_size=5,
)
SEEN = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=5, max_size=5)


def looks(members: list[Member], facts: list[tuple[bool, bool]]) -> list[SeenMember]:
    return [
        SeenMember(one, up=None if one.state is MAINT else up, sessions=0, weighs_itself=agent)
        for one, (up, agent) in zip(members, facts, strict=False)
    ]


class Servers:
    """What HAProxy does of a command, refusing what it refuses."""

    def __init__(self, now: list[SeenMember]) -> None:
        self.members = {one.member.name: one.member for one in now}
        self.down = {one.member.name for one in now if one.up is False}
        self.agents = {one.member.name for one in now if one.weighs_itself}

    def do(self, command: str) -> None:
        words = command.split()
        if words[:2] == ["disable", "agent"]:
            self.agents.remove(words[2].removeprefix("be/"))
            return
        name = words[2].removeprefix("be/")
        if words[0] == "add":
            assert name not in self.members
            host, port = words[3].rsplit(":", 1)
            self.members[name] = Member(name, host, int(port), int(words[5]), MAINT)
        elif words[0] == "del":
            assert self.members.pop(name).state is MAINT
        elif words[3] == "state":
            self.change(name, state=MemberState(words[4]))
        elif words[3] == "weight":
            assert name not in self.agents, "the agent-check would overwrite it"
            self.change(name, weight=int(words[4]))
        else:
            assert words[3::2] == ["addr", "port"]
            self.change(name, address=words[4], port=int(words[6]))
            self.down.discard(name)

    def change(self, name: str, **fields: object) -> None:
        self.members[name] = replace(self.members[name], **fields)  # type: ignore[arg-type]

    @property
    def somebody_serves(self) -> bool:
        return any(one.takes_traffic and one.name not in self.down for one in self.members.values())


@given(MEMBERS, SEEN, MEMBERS, st.booleans())
def test_the_commands_lead_to_what_is_wanted_and_then_there_is_nothing_to_do(
    now: list[Member], facts: list[tuple[bool, bool]], then: list[Member], may_silence: bool
) -> None:
    there = looks(now, facts)
    try:
        changes = plan(there, then, may_silence=may_silence)
    except Refused:
        assert not may_silence
        return
    servers = Servers(there)
    for command in changes.commands:
        servers.do(command)
    assert servers.members == {one.name: one for one in then}
    after = [SeenMember(one, up=True, sessions=0) for one in servers.members.values()]
    assert plan(after, then, may_silence=may_silence) == replace(
        Changes(), serving=plan(after, then, may_silence=may_silence).serving
    )


@given(MEMBERS, SEEN, MEMBERS)
def test_at_no_moment_is_there_nobody_to_serve(
    now: list[Member], facts: list[tuple[bool, bool]], then: list[Member]
) -> None:
    there = looks(now, facts)
    servers = Servers(there)
    try:
        changes = plan(there, then)
    except Refused:
        return
    served = servers.somebody_serves
    for command in changes.commands:
        servers.do(command)
        served = served or servers.somebody_serves
        assert servers.somebody_serves == served, command


@given(MEMBERS, SEEN, st.dictionaries(st.sampled_from(list("abcdef")), st.integers(0, 256)))
def test_weights_leave_somebody_to_serve_after_every_command(
    now: list[Member], facts: list[tuple[bool, bool]], weights: dict[str, int]
) -> None:
    there = looks(now, facts)
    known = {name: w for name, w in weights.items() if name in {m.name for m in now}}
    try:
        commands = plan_weights("be", there, known)
    except Refused:
        return
    servers = Servers(there)
    served = servers.somebody_serves
    for command in commands:
        servers.do(command)
        served = served or servers.somebody_serves
        assert servers.somebody_serves == served, command
    assert {name: servers.members[name].weight for name in known} == known


@given(MEMBERS, SEEN, MEMBERS)
def test_the_order_of_the_input_changes_nothing(
    now: list[Member], facts: list[tuple[bool, bool]], then: list[Member]
) -> None:
    there = looks(now, facts)
    assert plan(there, then, may_silence=True) == plan(there[::-1], then[::-1], may_silence=True)


@given(MEMBERS, SEEN)
def test_every_command_is_one_line_of_plain_words(
    now: list[Member], facts: list[tuple[bool, bool]]
) -> None:
    for command in plan(looks(now, facts), [], may_silence=True).commands:
        assert re.fullmatch(r"[a-z0-9/.: ]+", command)


def test_silence_is_allowed_where_there_was_silence() -> None:
    refuse_silence("be", [seen("a", up=False)], [])


@given(MEMBERS, SEEN, MEMBERS, st.booleans())
def test_whole_lists_lead_to_what_is_wanted_in_two_steps_at_most(
    now: list[Member], facts: list[tuple[bool, bool]], then: list[Member], cut_off: bool
) -> None:
    there = looks(now, facts)
    try:
        members, busy = plan_list("be", there, then, cut_off=cut_off)
    except Refused:
        return
    assert set(then) <= set(members)
    assert {one.name for one in members} - {one.name for one in then} == set(busy)
    assert all(one.state is DRAIN for one in members if one.name in busy)
    assert not (cut_off and busy)
    members, busy = plan_list("be", [SeenMember(one) for one in members], then)
    assert (set(members), busy) == (set(then), ())
