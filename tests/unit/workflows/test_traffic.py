"""Agents come into traffic and leave it: whose members are changed, and whose are left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from phoenixctl.model.errors import CommandFailed, Unreachable
from phoenixctl.model.fleet import Agent, AgentSpec, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.routing import Member, MemberState
from phoenixctl.model.snapshot import AgentObservation, AgentState, NodeObservation, NodeUnobserved
from phoenixctl.planning.routing import plan_routes
from phoenixctl.workflows.traffic import Traffic
from tests.builders import agent as observed_agent
from tests.builders import fleet, node, seen, silent, snapshot, spec
from tests.unit.workflows.fake_router import BACKEND, SPEC, FakeRouter, Killed
from tests.unit.workflows.fakes import FakeClock

A, B = NodeName("a"), NodeName("b")
WORK = AgentId("work-0")


def of(*routers: FakeRouter, port: int | None = 80) -> Traffic:
    return Traffic(hosts(port=port), {one.name: one for one in routers}, FakeClock())


def hosts(port: int | None = 80) -> Fleet:
    nodes = [node("a", address="10.0.0.1"), node("b", address="b.test", agent_address="10.0.0.2")]
    return fleet(*nodes, agents=[work(port)])


def work(port: int | None = 80) -> AgentSpec:
    return spec(SPEC, replicas=2, port=port)


def agent(ordinal: int = 0) -> Agent:
    return Agent(work(), ordinal)


def at_a(name: str = "work-0.1", port: int = 80, weight: int = 100) -> Member:
    return Member(name, "10.0.0.1", port, weight)


async def test_what_no_router_has_is_left_alone() -> None:
    router = FakeRouter()
    traffic = of(router)
    other = Agent(spec("batch"), 0)
    assert (traffic.serves(SPEC), traffic.serves("batch")) == (True, False)
    assert await traffic.admit(other, A, 1) == ""
    assert await traffic.withdraw(other.id, A, within_seconds=0) == ""
    assert await traffic.hold(other.id, A) is True
    assert await traffic.idle(other.id, A, 0) is True
    await traffic.switch(other, A, B, 2)
    await traffic.release(other.id, A)
    assert router.told == []


async def test_an_agent_is_a_member_of_every_router_once() -> None:
    one, other = FakeRouter("one"), FakeRouter("other", weight=50).has(at_a("static", 9))
    traffic = of(one, other)
    assert await traffic.admit(agent(), A, 7) == "takes traffic"
    assert one.is_told() == ["+ work-0.7 10.0.0.1:80 100"]
    assert other.is_told() == ["+ work-0.7 10.0.0.1:80 50"]
    assert await traffic.admit(agent(), A, 8) == "takes traffic"
    assert (one.told, other.told) == ([], [])


async def test_agents_that_come_at_once_do_not_push_each_other_out() -> None:
    router = FakeRouter()
    traffic = of(router)
    await asyncio.gather(*(traffic.admit(agent(n), A, 1) for n in range(2)))
    assert list(router.seen) == ["work-0.1", "work-1.1"]


async def test_a_copy_on_another_node_is_a_member_beside_the_old_one() -> None:
    router = FakeRouter().has(at_a("work-0.1"), at_a("work-1.1", 81))
    traffic = of(router)
    await traffic.admit(agent(), B, 2)
    assert router.is_told() == ["+ work-0.2 10.0.0.2:80 100"]
    words = await traffic.withdraw(WORK, A, within_seconds=1)
    assert router.is_told() == ["drain work-0.1", "- work-0.1"]
    assert words == "out of traffic in 0ms"
    assert await traffic.withdraw(WORK, A, within_seconds=1) == ""


async def test_the_only_copy_of_an_agent_leaves_no_member_of_former_ones() -> None:
    router = FakeRouter().has(at_a("work-0.1"), at_a("work-1.1", 81), at_a("static", 9))
    await of(router).admit(agent(), B, 2, only=True)
    assert router.told == ["+ work-0.2 10.0.0.2:80 100", "drain work-0.1", "- work-0.1"]
    router = FakeRouter(idle=False).has(at_a("work-0.1"))
    await of(router).admit(agent(), B, 2, only=True)
    assert router.told == ["+ work-0.2 10.0.0.2:80 100", "drain work-0.1"]


@pytest.mark.parametrize("name", ["work-0", "work-0.3"])
async def test_a_drained_member_becomes_ready_again_with_its_name_and_weight(name: str) -> None:
    router = FakeRouter().has(at_a(name, weight=7))
    await router.set_state(BACKEND, name, MemberState.DRAIN, may_silence=True)
    router.told.clear()
    await of(router).admit(agent(), A, 9)
    assert router.told == [f"~ {name} 10.0.0.1:80 7"]


async def test_an_agent_with_a_like_name_is_another_one() -> None:
    members = [at_a("work-01.1"), at_a("homework-0.1"), at_a("work-0x"), at_a("work-0.1", 90)]
    router = FakeRouter().has(*members)
    assert await of(router).withdraw(WORK, A, within_seconds=1, port=80) == ""
    assert router.told == []


async def test_an_agent_that_the_router_finds_down_does_not_take_traffic() -> None:
    with pytest.raises(CommandFailed, match="does not find it up") as caught:
        await of(FakeRouter(up=False)).admit(agent(), A, 1)
    assert caught.value.hint == "phoenixctl routers status"
    assert await of(FakeRouter(up=None)).admit(agent(), A, 1) == "takes traffic"


async def test_a_busy_member_gets_nothing_new_and_goes_the_next_time() -> None:
    router = FakeRouter(idle=False).has(at_a())
    traffic = of(router)
    assert "still has requests" in await traffic.withdraw(WORK, A, within_seconds=0)
    assert router.is_told() == ["drain work-0.1"]
    router.idle = True
    await traffic.withdraw(WORK, A, within_seconds=0)
    assert router.told == ["- work-0.1"]


async def test_a_silent_router_keeps_no_other_one_from_it() -> None:
    silent, other = FakeRouter("one", error=Unreachable("one: silent")), FakeRouter().has(at_a())
    with pytest.raises(Unreachable, match="one: silent"):
        await of(silent, other).withdraw(WORK, A, within_seconds=0)
    assert other.told == ["drain work-0.1", "- work-0.1"]


async def test_requests_wait_and_go_to_the_successor_under_the_same_name() -> None:
    router = FakeRouter().has(at_a("work-0.1", weight=40))
    traffic = of(router)
    assert await traffic.hold(WORK, A) is True
    assert await traffic.hold(WORK, A) is True
    assert await traffic.idle(WORK, A, 0) is True
    assert router.is_told() == ["hold work-0.1"]
    await traffic.switch(agent(), A, B, 2)
    await traffic.switch(agent(), A, B, 2)
    assert router.told == ["~ work-0.1 10.0.0.2:80 100"]


@pytest.mark.parametrize("port", [None, 80])
async def test_a_switch_that_is_given_up_lets_requests_go_back(port: int | None) -> None:
    router = FakeRouter().has(at_a())
    traffic = of(router)
    await traffic.release(WORK, A, port=port)
    assert router.told == []
    await traffic.hold(WORK, A)
    await traffic.release(WORK, A, port=port)
    assert router.told == ["hold work-0.1", "~ work-0.1 10.0.0.1:80 100"]


@pytest.mark.parametrize("holds", [True, False])
async def test_requests_do_not_wait_where_others_serve_them(holds: bool) -> None:
    router = FakeRouter(holds=holds, idle=None).has(at_a(), at_a("work-1.1", 81))
    traffic = of(router)
    assert await traffic.hold(WORK, A) is True
    assert router.is_told() == ["drain work-0.1"]
    assert await traffic.idle(WORK, A, 0) is None
    await traffic.switch(agent(), A, B, 2)
    assert router.is_told() == ["~ work-0.1 10.0.0.2:80 100"]


async def test_where_there_are_no_others_the_member_serves_on_until_the_switch() -> None:
    router = FakeRouter(holds=False).has(at_a())
    traffic = of(router)
    assert await traffic.hold(WORK, A) is False
    assert router.told == []
    await traffic.switch(agent(), A, B, 2)
    assert router.told == ["+ work-0.2 10.0.0.2:80 100", "- work-0.1"]


async def test_a_router_that_forgot_its_members_gets_the_successor() -> None:
    router = FakeRouter()
    traffic = of(router)
    assert await traffic.hold(WORK, A) is True
    await traffic.switch(agent(), A, B, 2)
    assert router.told == ["+ work-0.2 10.0.0.2:80 100"]


async def test_an_agent_whose_requests_wait_gets_them_before_it_leaves() -> None:
    router = FakeRouter().held("work-0.1")
    await of(router).withdraw(WORK, A, within_seconds=0)
    assert router.told == ["~ work-0.1 10.0.0.1:80 100", "drain work-0.1", "- work-0.1"]


async def test_an_address_that_is_no_number_is_looked_up_or_asked_for() -> None:
    router = FakeRouter()
    known = fleet(node("a", address="localhost"), agents=[work()])
    await Traffic(known, {"lb": router}, FakeClock()).admit(agent(), A, 1)
    assert router.told == ["+ work-0.1 127.0.0.1:80 100"]
    strange = fleet(node("a", address="x" * 64), agents=[work()])  # no resolver is asked for it
    with pytest.raises(CommandFailed, match=r"a: x+ is neither an address") as caught:
        await Traffic(strange, {"lb": router}, FakeClock()).admit(agent(), A, 1)
    assert "agent_address" in caught.value.hint


async def comes(traffic: Traffic) -> None:
    await traffic.admit(agent(), B, 2, only=True)


async def goes(traffic: Traffic) -> None:
    await traffic.withdraw(WORK, A, within_seconds=0)


async def comes_back(traffic: Traffic) -> None:
    await traffic.withdraw(WORK, A, within_seconds=0, comes_back=True)
    await traffic.admit(agent(), A, 2)


async def moves(traffic: Traffic) -> None:
    await traffic.withdraw(WORK, A, within_seconds=0, comes_back=True)
    await traffic.admit(agent(), B, 2, only=True)


async def migrates(traffic: Traffic) -> None:
    await traffic.hold(WORK, A)
    await traffic.switch(agent(), A, B, 2)


async def gives_up(traffic: Traffic) -> None:
    await traffic.hold(WORK, A)
    await traffic.release(WORK, A)


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("story", [comes, goes, comes_back, moves, migrates, gives_up])
async def test_what_was_cut_off_anywhere_is_done_again_to_the_same_end(
    story: Callable[[Traffic], Awaitable[None]], *, holds: bool, others: int
) -> None:
    def router() -> FakeRouter:
        return FakeRouter(holds=holds).has(at_a(), *[at_a("work-1.1", 81)][:others])

    whole = router()
    await story(of(whole))
    assert (whole.told == []) is (story is gives_up and not holds and not others)
    for count in range(len(whole.told)):
        cut = router()
        cut.cut_after = count
        with pytest.raises(Killed):
            await story(of(cut))
        cut.cut_after = None
        await story(of(cut))
        ends = [
            sorted((one.member.address, one.serves) for one in r.seen.values())
            for r in (whole, cut)
        ]
        assert ends[0] == ends[1], (count, cut.told)


def running(ordinal: int = 0, **more: object) -> AgentObservation:
    return observed_agent(f"work-{ordinal}", of=work(), port=80 + ordinal, epoch=5, **more)


async def has_and_wants(
    router: FakeRouter, *nodes: NodeObservation | NodeUnobserved
) -> tuple[list[str], list[str]]:
    """The members that it has, and those that it should have."""
    [status] = await of(router).status(snapshot(*nodes))
    assert status.error is None
    [backend] = status.backends
    assert backend.error is None
    wanted = [one.name for one in backend.wanted]
    return [one.member.name for one in backend.seen], wanted


async def test_what_runs_and_is_ready_should_be_a_member() -> None:
    nodes = seen("a", running(0, ready=True)), seen("b", running(1, ready=None))
    router = FakeRouter().has(at_a("work-9.1", 99))
    assert await has_and_wants(router, *nodes) == (["work-9.1"], ["work-0.5", "work-1.5"])


@pytest.mark.parametrize(
    "odd",
    [
        running(role="standby"),
        running(ready=False),
        running(held="fenced at epoch 6"),
        observed_agent("work-0", AgentState.STARTING, of=work(), port=80),
        observed_agent("work-0", AgentState.UNKNOWN, of=work(), port=80),
        observed_agent("work-0", AgentState.FAILED, of=work(), port=80),
        observed_agent("work-0", AgentState.STOPPED, of=work(), port=80),
    ],
)
async def test_what_does_not_serve_does_not_become_one(odd: AgentObservation) -> None:
    assert (await has_and_wants(FakeRouter(), seen("a", odd)))[1] == []


@pytest.mark.parametrize(
    ("odd", "stays"),
    [
        (running(ready=False), True),
        (running(held="fenced at epoch 6"), True),
        (observed_agent("work-0", AgentState.STARTING, of=work(), port=80), True),
        (running(role="standby"), False),
        (observed_agent("work-0", AgentState.FAILED, of=work(), port=80), False),
        (observed_agent("work-0", AgentState.STOPPED, of=work(), port=80), False),
    ],
)
async def test_what_may_serve_again_soon_stays_one(odd: AgentObservation, stays: bool) -> None:
    router = FakeRouter().has(at_a())
    assert (await has_and_wants(router, seen("a", odd)))[1] == (["work-0.1"] if stays else [])


async def test_of_a_silent_node_all_members_stay() -> None:
    router = FakeRouter().has(at_a(), Member("work-1.1", "10.0.0.2", 81))
    assert (await has_and_wants(router, silent("a"), seen("b")))[1] == ["work-0.1"]


async def test_members_become_those_that_run_and_once_is_enough() -> None:
    router = FakeRouter().has(at_a("work-1.1", 81), at_a("static", 9))
    traffic, now = of(router), snapshot(seen("a", running(0, ready=True)))
    await traffic.reconcile("lb", BACKEND, now)
    assert router.is_told() == ["- work-1.1", "+ work-0.5 10.0.0.1:80 100"]
    await traffic.reconcile("lb", BACKEND, now)
    assert router.told == []
    with pytest.raises(CommandFailed, match="gone is not in the configuration"):
        await traffic.reconcile("gone", BACKEND, now)


async def test_a_silent_router_is_seen_as_such_beside_the_others() -> None:
    one, other = FakeRouter("one", error=Unreachable("one: silent")), FakeRouter("other")
    found = await of(one, other).status(snapshot(seen("a")))
    assert [(r.settings.name, r.error is None) for r in found] == [("one", False), ("other", True)]
    plan = plan_routes(found)
    assert (plan.steps, plan.warnings) == ((), ("one: one: silent",))
