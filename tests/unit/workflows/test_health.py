"""A rollout never takes too many of a kind down, and looks on for a while after each."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from phoenixctl.model.errors import CommandFailed, Unreachable
from phoenixctl.model.fleet import Agent, AgentSpec, Rollout, Share
from phoenixctl.model.hooks import HttpHook, Readiness
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan, Step
from phoenixctl.model.state import AgentRecord, State
from phoenixctl.workflows import health as health_module
from phoenixctl.workflows.apply import apply
from phoenixctl.workflows.health import Health, stay_well
from tests.builders import fleet, node, spec
from tests.unit.workflows.fakes import FakeRecords, completed
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, step

HALF = Rollout(min_healthy=Share(ratio=0.5))
WEB = spec("web", replicas=4, port=9000, ready=Readiness(HttpHook("/ready", "GET")), rollout=HALF)
NODES = "abcd"


def site(of: AgentSpec = WEB, *, unready: tuple[int, ...] = ()) -> Site:
    """web-0 to web-3, one on each of a to d; those numbered are not ready."""
    machines = {
        name: Machine(name, unready={9000 + n} if n in unready else set()).with_agent(f"web-{n}")
        for n, name in enumerate(NODES)
    }
    records = {
        AgentId(f"web-{n}"): AgentRecord(AgentId(f"web-{n}"), NodeName(name), "ab12", 1)
        for n, name in enumerate(NODES)
    }
    s = Site(fleet(*(node(n) for n in NODES), agents=[of]), dict(machines))
    s.records = FakeRecords(state=State("test", "f00d", 4, agents=records))
    return s


def update(number: int) -> Step:
    return step(Action.UPDATE, f"web-{number}", NODES[number])


async def allowed(health: Health, of: Step) -> bool:
    try:
        async with health.taking_down(of):
            return True
    except CommandFailed:
        return False


@pytest.mark.parametrize(
    ("unready", "expected"), [((), True), ((1,), True), ((1, 2), False), ((0, 1), True)]
)
async def test_an_agent_is_taken_down_only_while_enough_others_are_ready(
    unready: tuple[int, ...], expected: bool
) -> None:
    assert await allowed(Health(site(unready=unready).work()), update(0)) is expected


async def test_an_agent_on_a_silent_node_is_not_ready() -> None:
    s = site(unready=(1,))
    s.machines["c"] = Unreachable("c is silent")
    with pytest.raises(CommandFailed) as failed:
        async with Health(s.work()).taking_down(update(0)):
            raise AssertionError("it was taken down")
    assert failed.value.what == (
        "left as it is: of the other web 1 are ready, and 2 have to be (min_healthy)"
    )


async def test_what_is_taken_down_at_the_same_time_counts() -> None:
    health = Health(site().work())
    async with health.taking_down(update(0)):
        async with health.taking_down(update(1)):
            assert not await allowed(health, update(2))
        assert await allowed(health, update(2))


async def test_an_agent_that_did_not_come_back_is_not_counted() -> None:
    s = site()
    health = Health(s.work())

    async def fail(number: int) -> None:
        async with health.taking_down(update(number)):
            s.machine(NODES[number]).unready.add(9000 + number)
            raise CommandFailed("does not start")

    for number in (0, 1):
        with pytest.raises(CommandFailed, match="does not start"):
            await fail(number)
    assert not await allowed(health, update(2))


async def test_many_of_a_kind_are_asked_once_and_not_for_each_step() -> None:
    s = site(replace(WEB, ready=None))
    health = Health(s.work())
    for number in range(4):
        assert await allowed(health, update(number))
    asked = [what for name in NODES for what in s.machine(name).ran]
    assert len(asked) == 3
    s.clock.now += 60
    assert await allowed(health, update(0))
    assert len([what for name in NODES for what in s.machine(name).ran]) == 6


async def test_without_a_check_of_its_own_a_running_process_is_enough() -> None:
    s = site(replace(WEB, ready=None))
    for name in "bc":
        s.machine(name).agents.clear()
    assert not await allowed(Health(s.work()), update(0))


@pytest.mark.parametrize("action", [Action.START, Action.STOP])
async def test_what_takes_nothing_down_and_what_was_asked_for_is_not_held_up(
    action: Action,
) -> None:
    assert await allowed(Health(site(unready=(1, 2, 3)).work()), step(action, "web-0"))


async def test_a_kind_without_a_limit_is_not_asked() -> None:
    s = site(replace(WEB, rollout=Rollout()), unready=(1, 2, 3))
    assert await allowed(Health(s.work()), update(0))
    assert [what for name in NODES for what in s.machine(name).ran] == []


async def test_what_the_plan_ends_for_good_is_not_waited_for() -> None:
    drains = [step(Action.DRAIN, f"web-{n}", NODES[n]) for n in range(4)]
    s = site(unready=(1, 2, 3))
    assert await allowed(Health(s.work(plan=Plan("destroy", tuple(drains)))), drains[0])
    moving = (*drains, step(Action.START, "web-1", "a"), step(Action.START, "web-2", "a"))
    assert not await allowed(Health(s.work(plan=Plan("move", moving))), drains[0])


async def test_all_of_a_kind_can_be_changed_one_by_one() -> None:
    whole = replace(WEB, rollout=Rollout(min_healthy=Share(ratio=1.0)))
    health = Health(site(whole).work())
    assert await allowed(health, update(0))
    async with health.taking_down(update(0)):
        assert not await allowed(health, update(1))


async def test_a_plan_leaves_an_agent_as_it_is_when_too_few_are_ready() -> None:
    s = site(unready=(1, 2))
    report = await apply(Plan("apply", (update(0),)), s.means)
    assert [r.outcome.value for r in report.results] == ["failed"]
    assert "min_healthy" in report.results[0].detail
    assert s.machine("a").ran == ["survey"]


# Looking on


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "_LOOK_EVERY_SECONDS", 0.0)


SETTLING = replace(WEB, rollout=Rollout(settle_seconds=10))


async def look_on(s: Site, *, each: float = 4.0) -> None:
    """Each look takes so many seconds."""
    machine = s.machine("a")
    before = machine.odd

    def odd(what: str) -> object:
        s.clock.now += each
        return before(what)

    machine.odd = odd
    await asyncio.wait_for(stay_well(machine.session, s.work(), Agent(SETTLING, 0), 7), 5)


async def test_a_changed_agent_is_looked_at_for_as_long_as_its_rollout_says(at_once: None) -> None:
    s = site(SETTLING)
    await look_on(s)
    assert s.machine("a").ran == ["alive web-0"] * 3


async def test_an_agent_that_was_started_again_in_the_meantime_did_not_stay_up(
    at_once: None,
) -> None:
    s = site(SETTLING)
    s.machine("a").odd = lambda what: (
        completed(b"phoenixctl alive\npid 8\n") if s.machine("a").ran.count(what) == 2 else None
    )
    with pytest.raises(
        CommandFailed, match="web-0 was started and did not stay up for 8s"
    ) as failed:
        await look_on(s)
    assert failed.value.hint == "phoenixctl agents logs web-0"


async def test_an_agent_that_is_not_ready_any_more_fails_its_step(at_once: None) -> None:
    with pytest.raises(CommandFailed, match="web-0 was started and did not stay ready for 4s"):
        await look_on(site(SETTLING, unready=(0,)))


async def test_an_update_counts_as_done_when_its_agent_has_stayed_well(at_once: None) -> None:
    s = site(SETTLING)

    def odd(what: str) -> object:
        s.clock.now += 6.0 if what.startswith("alive") else 0.0
        return None

    s.machine("a").odd = odd
    report = await apply(Plan("apply", (update(0),)), s.means)
    assert report.exit_code == 0
    assert s.machine("a").ran[-2:] == ["alive web-0"] * 2
    again = Plan("start", (step(Action.START, "web-0"),))
    await apply(again, s.means)
    assert s.machine("a").ran[-1] == "start web-0"
