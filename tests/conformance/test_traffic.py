"""Agents come and go behind a real HAProxy while requests go through it, and none fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Agent
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.workflows.traffic import Traffic
from tests.builders import fleet, node, spec
from tests.haproxy import (
    BACKEND,
    RealClock,
    RunningHAProxy,
    Server,
    failed,
    get,
    gets,
    load,
    serving,
)
from tests.sshd import free_port

A, B = NodeName("a"), NodeName("b")
WORK = AgentId("work-0")
PATIENCE = 10.0


@pytest.fixture
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHAProxy]:
    made = RunningHAProxy(tmp_path_factory.mktemp("ha"))
    made.start()
    yield made
    made.stop()


class Place:
    """A copy of one agent on each of two nodes, at one port, and the traffic for it."""

    def __init__(self, proxy: RunningHAProxy, check: float | None = 0.05) -> None:
        self.port = free_port()
        self.a = Server("a", self.port, takes_seconds=0.02)
        self.b = Server("b", self.port, takes_seconds=0.02, address="127.0.0.2")
        kind = spec("work", port=self.port)
        nodes = node("a", address="127.0.0.1"), node("b", agent_address="127.0.0.2")
        self.agent = Agent(kind, 0)
        self.router = proxy.router(spec="work", check_seconds=check)
        routers = {"lb": self.router}
        self.traffic = Traffic(fleet(*nodes, agents=[kind]), routers, RealClock())


async def answered(by: str, answers: Counter[str]) -> None:
    """Until so many more requests were answered there."""
    wanted = answers[by] + 20
    async with asyncio.timeout(PATIENCE):
        while answers[by] < wanted:
            await asyncio.sleep(0.01)


async def test_an_agent_is_replaced_by_its_copy_on_another_node(proxy: RunningHAProxy) -> None:
    place = Place(proxy)
    traffic = place.traffic
    async with serving(place.a, place.b):
        assert await traffic.admit(place.agent, A, 1) == "takes traffic"
        async with load(proxy.port) as answers:
            await answered("a", answers)
            await traffic.admit(place.agent, B, 2)
            words = await traffic.withdraw(WORK, A, within_seconds=PATIENCE)
            await answered("b", answers)
            assert place.a.in_hand == 0
        assert words.startswith("out of traffic in ")
        (seen,) = await place.router.members(BACKEND)
    assert failed(answers) == {}
    assert seen.member.name == "work-0.2"


@pytest.mark.parametrize("check", [0.05, None])
async def test_requests_wait_while_an_agent_goes_live_elsewhere(
    proxy: RunningHAProxy, check: float | None
) -> None:
    place = Place(proxy, check)
    traffic = place.traffic
    async with serving(place.a, place.b):
        await traffic.admit(place.agent, A, 1)
        async with load(proxy.port) as answers:
            await answered("a", answers)
            assert await traffic.hold(WORK, A) is True
            assert await traffic.idle(WORK, A, PATIENCE) is True
            assert place.a.in_hand == 0
            assert answers["b"] == 0
            await traffic.switch(place.agent, A, B, 2)
            await traffic.switch(place.agent, A, B, 2)  # as after a crash
            await answered("b", answers)
        (seen,) = await place.router.members(BACKEND)
    assert failed(answers) == {}
    assert (seen.member.name, seen.member.address, seen.held) == ("work-0.1", "127.0.0.2", False)


async def test_a_switch_that_is_given_up_loses_no_request(proxy: RunningHAProxy) -> None:
    place = Place(proxy)
    async with serving(place.a):
        await place.traffic.admit(place.agent, A, 1)
        async with load(proxy.port) as answers:
            await place.traffic.hold(WORK, A)
            await place.traffic.release(WORK, A)
            await answered("a", answers)
    assert failed(answers) == {}


@pytest.mark.parametrize("goes_to", [A, B])
async def test_requests_for_the_only_one_wait_while_it_is_started_anew(
    proxy: RunningHAProxy, goes_to: NodeName
) -> None:
    place = Place(proxy)
    traffic, then = place.traffic, place.a if goes_to == A else place.b
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        await first.enter_async_context(serving(place.a))
        await traffic.admit(place.agent, A, 1)
        async with load(proxy.port) as answers:
            await answered("a", answers)
            left = await traffic.withdraw(WORK, A, within_seconds=PATIENCE, comes_back=True)
            assert left.startswith("out of traffic")
            assert place.a.in_hand == 0
            await first.aclose()
            await second.enter_async_context(serving(then))
            await traffic.admit(place.agent, goes_to, 2, only=True)
            await answered(then.name, answers)
        (seen,) = await place.router.members(BACKEND)
    assert failed(answers) == {}
    assert (seen.member.name, seen.member.address) == ("work-0.1", then.address)


async def test_the_only_one_can_be_taken_away_for_good(proxy: RunningHAProxy) -> None:
    place = Place(proxy)
    async with serving(place.a):
        await place.traffic.admit(place.agent, A, 1)
        await place.traffic.withdraw(WORK, A, within_seconds=PATIENCE)
        assert await place.router.members(BACKEND) == ()
        assert (await get(proxy.port)).startswith("failed")
        await place.traffic.admit(place.agent, A, 2)
        assert await gets(proxy.port, 5) == {"a": 5}


async def test_an_agent_that_nobody_hears_does_not_count_as_in_traffic(
    proxy: RunningHAProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phoenixctl.workflows.traffic._UP_SECONDS", 0.3)
    with pytest.raises(CommandFailed, match="lb does not find it up"):
        await Place(proxy).traffic.admit(Place(proxy).agent, A, 1)
