"""Steps are done in order, side by side, journaled, and only as far as they succeed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.errors import CommandFailed, ExitCode, OutcomeUnknown
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan, Step
from phoenixctl.model.state import AgentRecord, Patch
from phoenixctl.workflows.carry import Carrier
from phoenixctl.workflows.graph import Graph
from phoenixctl.workflows.means import NOBODY, Watcher
from phoenixctl.workflows.report import Report, StepOutcome
from phoenixctl.workflows.work import Trail
from tests.unit.workflows.fakes import FakeClock, FakeRecords

Act = Callable[[Trail], Awaitable[str]]
A = NodeName("a")


def step(name: str, *after: str) -> Step:
    before = tuple(f"start agent {n}@a" for n in after)
    return Step(Action.START, A, AgentId(name), "test", after=before)


async def fine(trail: Trail) -> str:
    return f"{trail.step.agent} done"


def failing(*names: str) -> Act:
    async def act(trail: Trail) -> str:
        if trail.step.agent in names:
            raise CommandFailed(f"{trail.step.agent} refused")
        return "done"

    return act


async def carried(
    act: Act,
    *steps: Step,
    records: FakeRecords | None = None,
    parallel: int = 64,
    stopping: Callable[[], bool] = lambda: False,
    watcher: Watcher = NOBODY,
) -> Report:
    async with (records or FakeRecords()).changing("test") as operation:
        carrier = Carrier(operation, act, FakeClock(), watcher, lambda _result, patch: patch)
        graph = Graph(steps, carrier.results)
        await graph.run(carrier.do, carrier.skip, parallel=parallel, stopping=stopping)
    return Report(Plan("test", steps), tuple(carrier.results[s.key] for s in steps))


def outcomes(report: Report) -> dict[str, str]:
    return {str(r.step.agent): r.outcome.value for r in report.results}


async def test_every_step_is_done_and_told_in_the_plans_order() -> None:
    report = await carried(fine, step("x-0"), step("x-1", "x-0"), step("x-2"))
    assert [(r.step.agent, r.outcome, r.detail) for r in report.results] == [
        (f"x-{n}", StepOutcome.OK, f"x-{n} done") for n in range(3)
    ]
    assert report.exit_code is ExitCode.OK


async def test_a_failure_skips_only_what_depends_on_it() -> None:
    report = await carried(
        failing("x-1"), step("x-0"), step("x-1"), step("x-2", "x-1"), step("x-3", "x-2"),
        step("x-4", "x-0"),
    )  # fmt: skip
    assert outcomes(report) == {
        "x-0": "ok", "x-1": "failed", "x-2": "skipped", "x-3": "skipped", "x-4": "ok",
    }  # fmt: skip
    assert report.results[2].detail == "start agent x-1@a did not succeed"
    assert report.exit_code is ExitCode.SOME_FAILED


async def test_a_step_waits_for_all_that_it_comes_after() -> None:
    ended: list[str] = []

    async def act(trail: Trail) -> str:
        await asyncio.sleep(0.02 if trail.step.agent == "x-0" else 0)
        ended.append(str(trail.step.agent))
        return ""

    await carried(act, step("x-2", "x-0", "x-1"), step("x-0"), step("x-1"))
    assert ended == ["x-1", "x-0", "x-2"]


async def test_no_more_steps_than_allowed_run_at_once_and_earlier_ones_come_first() -> None:
    running = most = 0
    begun: list[str] = []

    async def act(trail: Trail) -> str:
        nonlocal running, most
        begun.append(str(trail.step.agent))
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return ""

    await carried(act, *(step(f"x-{n}") for n in range(9)), parallel=3)
    assert most == 3
    assert begun == [f"x-{n}" for n in range(9)]


async def test_waiting_steps_take_no_place_from_those_they_wait_for() -> None:
    chain = [step("x-0"), *(step(f"x-{n}", f"x-{n - 1}") for n in range(1, 5))]
    report = await asyncio.wait_for(carried(fine, *reversed(chain), parallel=1), 5)
    assert set(outcomes(report).values()) == {"ok"}


async def test_steps_that_wait_for_each_other_are_refused_before_anything_is_done() -> None:
    records = FakeRecords()
    with pytest.raises(ValueError, match="wait for each other: start agent x-0@a, start agent x-1"):
        await carried(fine, step("x-0", "x-1"), step("x-1", "x-0"), step("x-2"), records=records)
    assert records.journal == []


async def test_the_journal_frames_each_step_that_was_begun_and_names_the_skipped() -> None:
    records = FakeRecords()
    await carried(failing("x-0"), step("x-0"), step("x-1", "x-0"), step("x-2"), records=records)
    lines = {
        name: [(event, outcome) for event, key, outcome in records.journal if name in key]
        for name in ("x-0", "x-1", "x-2")
    }
    assert lines == {
        "x-0": [("begin", ""), ("end", "failed")],
        "x-1": [("end", "skipped")],
        "x-2": [("begin", ""), ("end", "ok")],
    }


async def test_begin_is_written_before_anything_happens_on_the_node() -> None:
    records = FakeRecords()

    async def act(trail: Trail) -> str:
        assert records.journal[-1] == ("begin", trail.step.key, "")
        return ""

    report = await carried(act, step("x-0"), records=records)
    assert report.exit_code is ExitCode.OK


async def test_a_lost_connection_leaves_the_outcome_unknown_and_outranks_a_failure() -> None:
    async def act(trail: Trail) -> str:
        if trail.step.agent == "x-0":
            raise OutcomeUnknown("the connection broke")
        raise CommandFailed("no")

    records = FakeRecords()
    report = await carried(act, step("x-0"), step("x-1"), step("x-2", "x-0"), records=records)
    assert outcomes(report) == {"x-0": "unknown", "x-1": "failed", "x-2": "skipped"}
    assert report.exit_code is ExitCode.UNKNOWN
    assert ("end", "start agent x-0@a", "unknown") in records.journal


async def test_what_nobody_has_foreseen_leaves_the_outcome_unknown() -> None:
    async def act(_trail: Trail) -> str:
        raise KeyError("a bug")

    report = await carried(act, step("x-0"))
    assert outcomes(report) == {"x-0": "unknown"}
    assert report.results[0].detail == "start agent x-0@a: unexpected KeyError: 'a bug'"
    assert report.results[0].error is not None
    assert "defect" in report.results[0].error.hint


async def test_what_has_changed_is_recorded_also_when_the_step_fails_in_the_end() -> None:
    record = AgentRecord(AgentId("x-0"), A, "ab12", 3)

    async def act(trail: Trail) -> str:
        trail.changed(Patch(agents={AgentId("x-0"): record}))
        trail.changed(Patch(epochs={AgentId("x-0"): None}))
        raise CommandFailed("it does not get ready")

    records = FakeRecords()
    await carried(act, step("x-0"), records=records)
    assert records.state.agents == {"x-0": record}


async def test_a_cancelled_run_writes_the_end_of_what_was_begun_as_unknown() -> None:
    begun = asyncio.Event()

    async def act(_trail: Trail) -> str:
        begun.set()
        await asyncio.sleep(60)
        return ""

    records = FakeRecords()
    run = asyncio.create_task(carried(act, step("x-0"), step("x-1", "x-0"), records=records))
    await begun.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert records.journal == [
        ("begin", "start agent x-0@a", ""), ("end", "start agent x-0@a", "unknown"),
    ]  # fmt: skip
    assert not records.held


async def test_a_journal_that_cannot_be_written_ends_the_run() -> None:
    records = FakeRecords()
    ended: list[str] = []

    async def act(trail: Trail) -> str:
        if trail.step.agent == "x-0":
            records.held = False  # the next line cannot be written
            return ""
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(str(trail.step.agent))
        return ""

    with pytest.raises(AssertionError):
        await asyncio.wait_for(carried(act, step("x-1"), step("x-0"), records=records), 5)
    assert ended == ["x-1"]


async def test_once_it_is_to_stop_nothing_new_begins_and_what_was_begun_is_finished() -> None:
    asked = False

    async def act(_trail: Trail) -> str:
        nonlocal asked
        asked = True
        await asyncio.sleep(0.001)
        return "done"

    report = await carried(
        act, step("x-0"), step("x-1"), step("x-2", "x-0"), parallel=1, stopping=lambda: asked
    )
    assert [(r.outcome.value, r.detail) for r in report.results] == [
        ("ok", "done"),
        ("skipped", "interrupted before it began"),
        ("skipped", "interrupted before it began"),
    ]


async def test_what_happens_is_told_as_it_happens() -> None:
    told: list[tuple[str, str]] = []
    watcher = Watcher(
        on_step=lambda s, result: told.append((str(s.agent), result.outcome if result else ""))
    )
    await carried(failing("x-0"), step("x-0"), step("x-1", "x-0"), watcher=watcher)
    assert told == [("x-0", ""), ("x-0", "failed"), ("x-1", "skipped")]


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Step], set[str]]:
    """Steps that wait for any of those before them, in any order; the names of some that fail."""
    names = [f"x-{n}" for n in range(draw(st.integers(1, 7)))]
    steps = []
    for number, name in enumerate(names):
        before = draw(st.sets(st.sampled_from(names[:number]))) if number else set()
        steps.append(step(name, *before))
    return draw(st.permutations(steps)), draw(st.sets(st.sampled_from(names)))


@settings(max_examples=50)
@given(plans(), st.integers(1, 4))
def test_a_step_is_skipped_exactly_when_something_before_it_did_not_succeed(
    drawn: tuple[list[Step], set[str]], parallel: int
) -> None:
    steps, bad = drawn
    report = asyncio.run(carried(failing(*bad), *steps, parallel=parallel))
    result = {r.step.key: r.outcome for r in report.results}
    for s in steps:
        blocked = any(result[key] is not StepOutcome.OK for key in s.after)
        expected = (
            StepOutcome.SKIPPED
            if blocked
            else StepOutcome.FAILED if s.agent in bad else StepOutcome.OK
        )  # fmt: skip
        assert result[s.key] is expected
