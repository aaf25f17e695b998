"""A plan is carried out under the lock when it still fits, and only then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from phoenixctl.model.errors import (
    CommandFailed,
    ExitCode,
    Locked,
    PhoenixError,
    Refused,
    Stale,
    Unreachable,
    UsageError,
)
from phoenixctl.model.fleet import Pool, SecretRef
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Basis, Breach, Plan, Step
from phoenixctl.model.state import AgentRecord, NodeRecord, PoolRecord, State
from phoenixctl.planning.config_digest import config_digest
from phoenixctl.ports.records import Unfinished
from phoenixctl.remote.agents import spec_digest
from phoenixctl.workflows import freshness
from phoenixctl.workflows.apply import Halt, Report, Watcher, apply
from phoenixctl.workflows.means import Manner
from tests.builders import fleet, node, spec
from tests.unit.workflows.fakes import FakeOperation, FakeRecords, completed
from tests.unit.workflows.machine import Machine
from tests.unit.workflows.running import Site, about, step

WEB = spec("web", replicas=3)
A, B = NodeName("a"), NodeName("b")


def site(*machines: Machine, **more: object) -> Site:
    by_name: dict[str, Machine | PhoenixError] = {m.name: m for m in machines}
    f = fleet(*(node(name) for name in by_name), agents=[WEB])
    return Site(f, by_name, **more)


def starts(*agents: str, node: str = "a") -> Plan:
    return Plan("start agents", tuple(step(Action.START, a, node) for a in agents))


def outcomes(report: Report) -> list[str]:
    return [r.outcome.value for r in report.results]


async def test_a_plan_is_done_and_what_it_changed_is_recorded() -> None:
    s = site(Machine("a"), Machine("b"))
    plan = Plan("start", (step(Action.START, "web-0"), step(Action.START, "web-1", "b")))
    report = await apply(plan, s.means)
    assert (outcomes(report), report.exit_code, report.operation) == (["ok", "ok"], 0, "5")
    assert s.machine("a").running() == ["web-0"]
    digest = spec_digest(WEB)
    assert s.records.state.agents == {
        AgentId("web-0"): AgentRecord(AgentId("web-0"), A, digest, 1),
        AgentId("web-1"): AgentRecord(AgentId("web-1"), B, digest, 1),
    }
    assert s.records.state.specs == {digest: WEB}
    assert s.records.ended == ["ok"]


async def test_a_plan_without_steps_takes_no_lock() -> None:
    class Busy(FakeRecords):
        @asynccontextmanager
        async def changing(self, title: str, **_more: object) -> AsyncIterator[FakeOperation]:
            raise Locked("held by somebody else")
            yield

    s = site(Machine("a"), records=Busy())
    assert (await apply(Plan("nothing", ()), s.means)).results == ()
    with pytest.raises(Locked):
        await apply(starts("web-0"), s.means)


async def test_a_plan_that_breaks_a_guard_is_refused_with_the_way_out() -> None:
    s = site(Machine("a"))
    breaches = (
        Breach("max_destroy", "2 of 4 nodes would go, 1 may", "add --max-destroy 2"),
        Breach("protected", "web-1 is protected", "unprotect it"),
    )
    with pytest.raises(Refused, match=r"max_destroy: 2 of 4 nodes would go.*web-1") as refused:
        await apply(Plan("scale", starts("web-0").steps, breaches=breaches), s.means)
    assert refused.value.hint == "add --max-destroy 2"
    assert refused.value.exit_code is ExitCode.REFUSED
    assert s.records.operations == []


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        (Basis("test", "beef", 4, "cfg"), "for the record beef, and this one is f00d"),
        (Basis("test", "f00d", 2, "cfg"), "after operation 2, and the latest is 4"),
        (Basis("test", "f00d", 4, "old"), "the configuration has changed"),
    ],
)
async def test_a_plan_is_stale_when_its_basis_has_changed(
    basis: Basis, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freshness, "config_digest", lambda _fleet: "cfg")
    s = site(Machine("a"))
    with pytest.raises(Stale, match=words) as stale:
        await apply(Plan("apply", starts("web-0").steps, basis=basis), s.means)
    assert "phoenixctl plan" in stale.value.hint
    assert s.machine("a").ran == []
    assert s.records.journal == []
    fresh = Basis("test", "f00d", 4, "cfg")
    report = await apply(Plan("apply", starts("web-0").steps, basis=fresh), s.means)
    assert outcomes(report) == ["ok"]


async def test_a_plan_is_stale_when_what_its_steps_rely_on_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(freshness, "stale", lambda *_: ("web-0 was stopped", "a was cordoned"))
    s = site(Machine("a"))
    with pytest.raises(Stale, match="web-0 was stopped; a was cordoned"):
        await apply(starts("web-0"), s.means)
    assert s.machine("a").ran == ["survey"]
    assert s.records.opened == []


async def test_the_first_plan_of_all_is_made_before_its_record_has_a_name() -> None:
    s = site(Machine("a"))
    s.records.state = State("test", "f00d", 0)
    basis = Basis("test", "", 0, config_digest(s.fleet))
    report = await apply(Plan("apply", starts("web-0").steps, basis=basis), s.means)
    assert outcomes(report) == ["ok"]
    with pytest.raises(Stale, match="while the fleet had no record"):
        await apply(Plan("apply", starts("web-0").steps, basis=basis), s.means)


async def test_steps_that_wait_for_each_other_are_refused_before_anything_is_kept() -> None:
    s = site(Machine("a"))
    circle = replace(step(Action.STOP), after=("stop agent web-0@a",))
    with pytest.raises(ValueError, match="wait for each other"):
        await apply(Plan("circle", (circle,)), s.means)
    assert s.records.opened == []


async def test_only_nodes_that_steps_touch_are_looked_at_again() -> None:
    s = site(Machine("a"), Machine("b"))
    await apply(starts("web-0", "web-1"), s.means)
    assert s.records.sightings == [{A: True}]
    assert s.machine("b").ran == []


async def test_a_missing_secret_is_named_before_anything_changes() -> None:
    def secret(ref: SecretRef) -> str:
        raise UsageError(f"{ref.name} is not set")

    s = site(Machine("a"), secret=secret)
    needy = spec("web", secrets={"TOKEN": SecretRef("env", "WEB_TOKEN")})
    s.fleet = fleet(node("a"), agents=[needy])
    with pytest.raises(UsageError, match="web: WEB_TOKEN is not set"):
        await apply(starts("web-0"), s.means)
    assert s.records.opened == []
    assert s.machine("a").running() == []


async def test_an_unreachable_node_fails_its_own_steps() -> None:
    s = site(Machine("a"))
    s.fleet = fleet(node("a"), node("dead"), agents=[WEB])
    s.machines["dead"] = Unreachable("dead is silent")
    plan = Plan("start", (step(Action.START, "web-0", "dead"), step(Action.START, "web-1")))
    report = await apply(plan, s.means)
    assert outcomes(report) == ["failed", "ok"]
    assert report.exit_code is ExitCode.UNREACHABLE


async def test_a_node_that_left_the_configuration_is_reached_by_its_record() -> None:
    s = site(Machine("a"), Machine("gone").with_agent("web-0", WEB))
    s.fleet = fleet(node("a"), agents=[WEB])
    gone = node("gone", address="192.0.2.9")
    s.records.state = State("test", "f00d", 4, nodes={gone.name: NodeRecord(gone, "static", "")})
    report = await apply(Plan("stop", (step(Action.STOP, "web-0", "gone"),)), s.means)
    assert outcomes(report) == ["ok"]
    assert s.reach.added == [gone]


async def test_an_earlier_specification_can_be_given_with_the_plan() -> None:
    early = spec("web", command=("early",))
    s = site(Machine("a").with_agent("web-0", WEB))
    update = step(Action.UPDATE, spec_digest=spec_digest(early))
    report = await apply(Plan("rollback 4", (update,)), s.means, specs={spec_digest(early): early})
    assert outcomes(report) == ["ok"]
    assert s.machine("a").agents["web-0"].digest == spec_digest(early)
    assert s.records.state.specs[spec_digest(early)] == early


# What was cut off


async def test_what_an_earlier_run_has_left_is_finished_before_the_plan_begins() -> None:
    left = Unfinished("3", "start agents", step(Action.START, "web-2"))
    s = site(Machine("a"), records=FakeRecords(left=[left]))
    told: list[tuple[str, str]] = []
    watcher = Watcher(on_recovered=lambda u, r: told.append((u.operation, r.outcome.value)))
    report = await apply(starts("web-0"), s.means, watcher=watcher)
    assert [r.step.key for r in report.recovered] == ["start agent web-2@a"]
    assert told == [("3", "ok")]
    assert s.records.left == []
    assert s.machine("a").running() == ["web-0", "web-2"]
    assert [event for event, _, _ in s.records.journal] == ["settle", "begin", "end"]


# Ctrl-C


def halting(s: Site, halt: Halt, *, times: int, at: str) -> None:
    """Ctrl-C is pressed when that command comes to a machine."""

    def odd(what: str) -> None:
        if what == at:
            for _ in range(times):
                halt.ask()

    s.machine("a").odd = odd


async def test_the_first_ctrl_c_lets_what_is_under_way_finish_and_begins_nothing_new() -> None:
    s, halt = site(Machine("a")), Halt()
    halting(s, halt, times=1, at="start web-0")
    report = await apply(starts("web-0", "web-1"), s.means, halt=halt, manner=Manner(parallel=1))
    assert outcomes(report) == ["ok", "skipped"]
    assert report.results[1].detail == "interrupted before it began"
    assert report.exit_code is ExitCode.INTERRUPTED
    assert s.machine("a").running() == ["web-0"]
    assert s.records.ended == ["interrupted"]
    assert ("end", "start agent web-1@a", "skipped") in s.records.journal


async def test_a_ctrl_c_that_leaves_nothing_undone_is_no_interruption() -> None:
    s, halt = site(Machine("a")), Halt()
    halting(s, halt, times=1, at="start web-0")
    report = await apply(starts("web-0"), s.means, halt=halt)
    assert (outcomes(report), report.exit_code) == (["ok"], ExitCode.OK)


async def test_the_second_ctrl_c_cancels_what_is_under_way_and_its_end_is_unknown() -> None:
    s, halt = site(Machine("a")), Halt()
    begun = asyncio.Event()

    async def hang(*_args: object, **_more: object) -> None:
        begun.set()
        await asyncio.sleep(60)

    session = s.machine("a").session
    ordinary = session.run

    async def run(command: object, **more: object) -> object:
        if b"wanted_digest" in (getattr(command, "stdin", None) or b""):
            await hang()
        return await ordinary(command, **more)

    session.run = run
    s.reach.nodes = {"a": session}
    task = asyncio.create_task(
        apply(starts("web-0", "web-1"), s.means, halt=halt, manner=Manner(parallel=1))
    )
    await begun.wait()
    halt.ask()
    await asyncio.sleep(0.01)
    assert not task.done()
    halt.ask()
    report = await asyncio.wait_for(task, 5)
    assert [(r.outcome.value, r.detail) for r in report.results] == [
        ("unknown", "interrupted"), ("skipped", "interrupted before it began"),
    ]  # fmt: skip
    assert report.exit_code is ExitCode.INTERRUPTED
    assert [u.step.key for u in s.records.left] == ["start agent web-0@a"]
    assert s.records.ended == ["interrupted"]
    assert not task.cancelling()


async def test_ctrl_c_while_the_lock_is_waited_for_gives_up() -> None:
    class Busy(FakeRecords):
        @asynccontextmanager
        async def changing(self, title: str, **_more: object) -> AsyncIterator[FakeOperation]:
            await asyncio.sleep(60)
            yield FakeOperation(self, "1", ())

    s, halt = site(Machine("a"), records=Busy()), Halt()
    task = asyncio.create_task(apply(starts("web-0"), s.means, halt=halt))
    await asyncio.sleep(0.01)
    halt.ask()
    report = await asyncio.wait_for(task, 5)
    assert (outcomes(report), report.operation) == (["skipped"], "")
    assert report.exit_code is ExitCode.INTERRUPTED


async def test_a_task_that_is_cancelled_by_others_is_cancelled() -> None:
    s = site(Machine("a"))
    begun = asyncio.Event()

    class Slow(FakeRecords):
        @asynccontextmanager
        async def changing(self, title: str, **_more: object) -> AsyncIterator[FakeOperation]:
            begun.set()
            await asyncio.sleep(60)
            yield FakeOperation(self, "1", ())

    s.records = Slow()
    task = asyncio.create_task(apply(starts("web-0"), s.means, halt=Halt()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# Sizes of pools


def scaling(s: Site, *steps: Step, to: int) -> Plan:
    s.fleet = fleet(node("a"), agents=[WEB])
    s.fleet.pools["cloud"] = Pool("cloud", provider="aws", size=1)
    return Plan("scale cloud", steps, sizes={"cloud": to})


async def test_a_wanted_size_is_recorded_with_the_plan_that_wants_it() -> None:
    s = site(Machine("a"))
    plan = scaling(s, about(Action.CREATE, "c-1", "cloud"), to=1)
    await apply(plan, s.means)
    assert s.records.state.pools == {
        "cloud": PoolRecord(1, 1, "op@here", "2026-01-01T00:00:00.000Z")
    }


async def test_the_size_is_put_back_to_what_is_when_a_node_could_not_be_made() -> None:
    s = site(Machine("a"))
    plan = scaling(
        s, *(about(Action.CREATE, f"c-{n}", "cloud") for n in range(3)),
        about(Action.JOIN, "c-2", "cloud", after=("create node c-2",)), to=3,
    )  # fmt: skip
    made = s.provider.create

    async def create(request: object, *, note: object) -> object:
        if getattr(request, "name", "") == "c-2":
            raise CommandFailed("no capacity")
        return await made(request, note=note)

    s.provider.create = create
    report = await apply(plan, s.means)
    assert outcomes(report) == ["ok", "ok", "failed", "skipped"]
    assert s.records.state.pools["cloud"].size == 2


# Cost


async def test_thousands_of_steps_are_cheap() -> None:
    s = site(Machine("a"))
    said = b"phoenixctl start\nchanged yes\npid 7\nepoch 4\ndigest abc\n"
    s.machine("a").odd = lambda what: None if what == "survey" else completed(said)
    count = 2_000
    first = starts(*(f"web-{n}" for n in range(count)))
    begun = time.process_time()
    report = await apply(first, s.means)
    took = time.process_time() - begun
    assert set(outcomes(report)) == {"ok"}
    assert took / count < 0.005
