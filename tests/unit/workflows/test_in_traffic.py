"""Steps about agents that are behind a router: in and out of traffic, in the right order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, PhoenixError, Unreachable
from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.hooks import Drain, ExecHook, HttpHook, Readiness
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Plan, Step
from phoenixctl.model.playbook import EVERYWHERE
from phoenixctl.model.routing import Member
from phoenixctl.workflows.agents import Lifecycle
from phoenixctl.workflows.apply import apply
from phoenixctl.workflows.means import ORDINARY, Manner
from tests.builders import agent, fleet, node, seen, snapshot, spec
from tests.unit.workflows.fake_router import BACKEND, SPEC, FakeRouter
from tests.unit.workflows.fakes import FakeSession, completed
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, step, trail

A = NodeName("a")
STOPPED = completed(b"phoenixctl stop\nchanged yes\nhow exited\ncentiseconds 150\nswept 0\nleft\n")
STARTED = completed(b"phoenixctl start\nchanged yes\npid 7\nepoch 4\ndigest abc\n")
DRAIN = Drain(ExecHook(("finish",)), deadline_seconds=5)
SILENT = Unreachable("lb: nothing answers there")


class Told:
    """What the router and the node are told, in their order."""

    def __init__(self, router: FakeRouter, of: AgentSpec | None = None) -> None:
        self.spec = of or spec(SPEC, port=80)
        self.router = router
        self.site = Site(
            fleet(node("a", address="10.0.0.1"), agents=[self.spec]),
            {"a": Machine("a")},
            routers={"lb": router},
        )

    async def do(self, action: Action, plan: Plan | None = None, manner: Manner = ORDINARY) -> str:
        work = self.site.work(manner, plan)
        work.saw(snapshot(seen("a", agent("work-0", port=80, epoch=3, of=self.spec))))
        of = step(action, "work-0")
        return await Lifecycle(work)(FakeSession(A, self._answer), trail(of))

    def _answer(self, command: Command) -> Completed | PhoenixError:
        text = " ".join(command.argv)
        for kind, answer in (("stop", STOPPED), ("start", STARTED)):
            if f"phoenixctl {kind}" in text:
                self.router.told.append(kind)
                self.router.idle = True  # what has ended has no sessions
                return answer
        self.router.told.append("hook")
        return completed()


def behind(router: FakeRouter, *others: str) -> FakeRouter:
    names = ("work-0.3", *others)
    members = (Member(name, "10.0.0.1", 80 + n) for n, name in enumerate(names))
    return router.has(*members)


async def test_an_agent_comes_into_traffic_when_it_was_started() -> None:
    told = Told(FakeRouter())
    assert await told.do(Action.START) == "started in 0ms, takes traffic"
    assert told.router.told == ["start", "+ work-0.4 10.0.0.1:80 100"]


async def test_an_agent_leaves_traffic_before_it_finishes_and_ends() -> None:
    told = Told(behind(FakeRouter()), spec(SPEC, port=80, drain=DRAIN))
    words = await told.do(Action.DRAIN)
    assert words == "out of traffic in 0ms, drained in 0ms, exited in 1.5s, nothing left"
    assert told.router.told == ["drain work-0.3", "- work-0.3", "hook", "stop"]


@pytest.mark.parametrize("action", [Action.RESTART, Action.UPDATE])
async def test_others_serve_while_an_agent_is_started_anew(action: Action) -> None:
    told = Told(behind(FakeRouter(), "work-1.1"))
    await told.do(action)
    assert told.router.told == [
        "drain work-0.3", "- work-0.3", "stop", "start", "+ work-0.4 10.0.0.1:80 100",
    ]  # fmt: skip


async def test_requests_for_the_only_one_wait_while_it_is_started_anew() -> None:
    told = Told(behind(FakeRouter()))
    await told.do(Action.RESTART)
    assert told.router.told == ["hold work-0.3", "stop", "start", "~ work-0.3 10.0.0.1:80 100"]


async def test_requests_for_the_only_one_wait_while_it_moves() -> None:
    told = Told(behind(FakeRouter()))
    drained = step(Action.DRAIN, "work-0")
    started = step(Action.START, "work-0", "b", after=(drained.key,))
    await told.do(Action.DRAIN, Plan("test", (drained, started)))
    assert told.router.is_told() == ["hold work-0.3", "stop"]
    unrelated = replace(started, after=())
    await told.do(Action.DRAIN, Plan("test", (drained, unrelated)))
    assert told.router.told == [
        "~ work-0.3 10.0.0.1:80 100", "drain work-0.3", "- work-0.3", "stop",
    ]  # fmt: skip


@pytest.mark.parametrize("waits", [True, False])
async def test_a_former_copy_stays_in_traffic_only_when_a_step_will_end_it(waits: bool) -> None:
    router = FakeRouter().has(Member("work-0.1", "10.0.0.9", 80))
    started = step(Action.START, "work-0")
    drained = step(Action.DRAIN, "work-0", "b", after=(started.key,) if waits else ())
    await Told(router).do(Action.START, Plan("test", (started, drained)))
    assert ("work-0.1" in router.seen) is waits
    assert "work-0.4" in router.seen


async def test_what_is_busy_to_the_end_is_taken_out_when_the_agent_has_ended() -> None:
    told = Told(behind(FakeRouter(idle=False)))
    words = await told.do(Action.STOP)
    assert words.startswith("still has requests after ")
    assert told.router.told == ["drain work-0.3", "stop", "- work-0.3"]


@pytest.mark.parametrize("action", [Action.STOP, Action.DRAIN])
async def test_a_silent_router_keeps_no_agent_running(action: Action) -> None:
    told = Told(FakeRouter(error=SILENT))
    words = await told.do(action)
    assert words.startswith("could not be taken out of traffic (lb: nothing answers there)")
    assert "nothing left" in words


async def test_a_router_that_says_no_keeps_what_is_not_urgent_as_it_is() -> None:
    told = Told(FakeRouter(error=CommandFailed("lb: HAProxy says: Permission denied")))
    with pytest.raises(CommandFailed, match="Permission denied"):
        await told.do(Action.DRAIN)
    assert told.router.told == []
    assert "nothing left" in await told.do(Action.STOP)


async def test_an_agent_that_gets_no_traffic_is_no_success_and_its_repair_is_named() -> None:
    told = Told(FakeRouter(error=SILENT))
    with pytest.raises(Unreachable, match="work-0 runs on a and gets no traffic: lb") as caught:
        await told.do(Action.START)
    assert caught.value.hint == "phoenixctl routers reconcile"
    assert told.router.told == ["start"]


async def test_who_does_not_wait_for_ready_lets_no_traffic_in() -> None:
    ready = Readiness(HttpHook("/ready", "GET"), 1.0, 0.1)
    told = Told(FakeRouter(), spec(SPEC, port=80, ready=ready))
    words = await told.do(Action.START, manner=Manner(wait_ready=False))
    assert words == "started in 0ms, not in traffic yet: phoenixctl routers reconcile"
    assert told.router.told == ["start"]


async def test_a_step_sets_the_members_to_those_that_run_when_it_is_done() -> None:
    of = spec("web", port=9000)
    router = FakeRouter(spec="web").has(Member("web-7.1", "10.0.0.9", 80))
    site = Site(
        fleet(node("a", address="10.0.0.1"), agents=[of]),
        {"a": Machine("a").with_agent("web-0", of, epoch=4)},
        routers={"lb": router},
    )
    route = Step(Action.ROUTE, EVERYWHERE, None, "test", router=f"lb/{BACKEND}")
    report = await apply(Plan("test", (route,)), site.means)
    assert [(result.outcome, result.detail) for result in report.results] == [
        ("ok", "has the members that it should have")
    ]
    assert list(router.seen) == ["web-0.4"]
    gone = replace(route, router=f"gone/{BACKEND}")
    report = await apply(Plan("test", (gone,)), site.means)
    assert report.results[0].detail == "router gone is not in the configuration any more"
