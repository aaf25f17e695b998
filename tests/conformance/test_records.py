"""Records behave alike wherever they are kept: in a folder, and in a bucket of S3."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace

import pytest

from phoenixctl.model.errors import UsageError
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Plan
from phoenixctl.model.state import AgentRecord, Patch, State
from phoenixctl.store.local import operator
from phoenixctl.store.records import StoredRecords
from tests.builders import spec
from tests.conformance.record_places import FLEET, RecordPlace
from tests.conformance.record_story import (
    DIGEST,
    EXPECTED,
    ONE,
    SPECS,
    TWO,
    change,
    leave_unknown,
    look,
    runs,
    start,
    story,
)

# What is recorded.


async def test_a_fleet_that_was_never_changed_is_empty_and_nothing_is_written(
    store: RecordPlace, records: StoredRecords
) -> None:
    assert await records.read() == State(FLEET, "", 0)
    assert await records.unfinished() == ()
    assert await records.history() == ()
    assert await records.holder() is None
    assert store.names() == []


async def test_the_serial_grows_with_each_operation_and_the_lineage_stays(
    records: StoredRecords,
) -> None:
    ids = [await change(records, f"web-{number}") for number in range(3)]
    state = await records.read()
    assert ids == ["1", "2", "3"]
    assert state.serial == 3
    first = state.lineage
    await change(records, "web-3")
    assert (await records.read()).lineage == first != ""
    assert set((await records.read()).agents) == {"web-0", "web-1", "web-2", "web-3"}


async def test_others_see_at_once_what_a_step_has_changed(
    store: RecordPlace, records: StoredRecords
) -> None:
    other = store.records()
    await leave_unknown(records)
    async with records.changing("second") as operation:
        assert await look(other) == EXPECTED[0]
        follow = enumerate(EXPECTED)
        next(follow)
        async for _ in story(operation):
            number, expected = next(follow)
            assert await look(other) == expected, number
            assert operation.state.agents.keys() == expected.agents
    assert await look(other) == EXPECTED[-1]


async def test_an_operation_that_changes_nothing_leaves_no_trace(
    store: RecordPlace, records: StoredRecords
) -> None:
    await change(records, "web-0")
    kept = {name: store.get(name) for name in ("state.json", "audit.jsonl", "journal.jsonl")}
    with pytest.raises(RuntimeError):
        async with records.changing("stale"):
            raise RuntimeError
    async with records.changing("nothing to do"):
        pass
    assert {name: store.get(name) for name in kept} == kept
    assert (await records.read()).serial == 1


async def test_specifications_that_nobody_has_any_more_are_dropped(records: StoredRecords) -> None:
    await change(records, "web-0")
    async with records.changing("stop") as operation:
        await operation.open(Plan("stop", ()), Patch(specs={"unused": spec("other")}))
        assert set(operation.state.specs) == {DIGEST, "unused"}
    assert set((await records.read()).specs) == {DIGEST}
    async with records.changing("stop") as operation:
        await operation.open(Plan("stop", ()), Patch(agents={AgentId("web-0"): None}))
    assert (await records.read()).specs == {}


async def test_the_specification_of_an_unfinished_step_is_kept(records: StoredRecords) -> None:
    await leave_unknown(records)
    assert set((await records.read()).specs) == {DIGEST}


async def test_what_recovering_notes_belongs_to_the_step_that_was_cut_off(
    records: StoredRecords,
) -> None:
    await leave_unknown(records)
    async with records.changing("recover") as operation:
        [cut_off] = operation.unfinished
        await operation.note(cut_off.step, {"token": "two"})
        assert operation.unfinished[0].notes == ({"token": "two"},)
    [cut_off] = await records.unfinished()
    assert (cut_off.operation, cut_off.title) == ("1", "first")
    assert cut_off.notes == ({"token": "two"},)


async def test_many_steps_at_once_are_all_recorded(records: StoredRecords) -> None:
    steps = [start(f"web-{number}") for number in range(40)]
    async with records.changing("many") as operation:
        await operation.open(Plan("many", tuple(steps)), SPECS)

        async def one(number: int) -> None:
            await operation.begin(steps[number])
            await operation.end(steps[number], outcome="ok", detail="", patch=runs(f"web-{number}"))

        await asyncio.gather(*(one(number) for number in range(40)))
        assert len((await records.read()).agents) == 40
    assert len((await records.read()).agents) == 40
    assert len((await records.past(operation.id)).ends) == 40


async def test_a_step_whose_caller_is_cancelled_is_recorded_all_the_same(
    records: StoredRecords,
) -> None:
    async with records.changing("halted") as operation:
        await operation.open(Plan("halted", (ONE,)), SPECS)
        await operation.begin(ONE)
        ending = asyncio.create_task(
            operation.end(ONE, outcome="ok", detail="", patch=runs("web-1"))
        )
        await asyncio.sleep(0)
        ending.cancel()
        await asyncio.wait([ending])
    assert set((await records.read()).agents) == {"web-1"}
    assert await records.unfinished() == ()


# What was done.


async def test_history_tells_who_did_what_when_and_how_it_ended(records: StoredRecords) -> None:
    await leave_unknown(records)
    await change(records, "web-0", "drain a")
    with suppress(RuntimeError):
        async with records.changing("breaks") as operation:
            await operation.open(Plan("breaks", (ONE, TWO)))
            await operation.begin(ONE)
            raise RuntimeError("token=hunter2")
    with suppress(asyncio.CancelledError):
        async with records.changing("halted") as operation:
            await operation.open(Plan("halted", (ONE,)))
            raise asyncio.CancelledError
    found = [(e.id, e.title, e.outcome, e.steps, e.failures) for e in await records.history()]
    assert found == [
        ("4", "halted", "interrupted", 1, 0),
        ("3", "breaks", "failed", 2, 1),
        ("2", "drain a", "ok", 1, 0),
        ("1", "first", "some failed", 1, 1),
    ]
    assert all(e.by == operator() and e.at.endswith("Z") for e in await records.history())
    assert all("" < e.begun <= e.at for e in await records.history())


async def test_an_operation_whose_steps_were_not_all_done_was_interrupted(
    records: StoredRecords,
) -> None:
    async with records.changing("halted") as operation:
        await operation.open(Plan("halted", (ONE, TWO)))
        await operation.begin(ONE)
        await operation.end(ONE, outcome="ok", detail="")
        await operation.end(TWO, outcome="skipped", detail="the run was halted")
    [entry] = await records.history()
    assert (entry.outcome, entry.failures) == ("interrupted", 0)


async def test_a_past_operation_has_plan_ends_and_the_specifications_before_and_after(
    records: StoredRecords,
) -> None:
    await change(records, "web-1")
    newer = "ba9876543210"
    plan = Plan("update", (replace(ONE, spec_digest=newer),))
    async with records.changing("update") as operation:
        await operation.open(plan, Patch(specs={newer: spec("web", cpu=2)}))
        await operation.begin(plan.steps[0])
        record = AgentRecord(AgentId("web-1"), NodeName("a"), newer, 2)
        await operation.end(
            plan.steps[0], outcome="ok", detail="ready", patch=Patch(agents={record.id: record})
        )
    past = await records.past("2")
    assert past.plan == plan
    assert [(end.key, end.outcome, end.detail) for end in past.ends] == [(ONE.key, "ok", "ready")]
    assert past.specs == {DIGEST: spec("web"), newer: spec("web", cpu=2)}
    assert past.entry == (await records.history())[0]


async def test_a_step_that_was_settled_later_has_its_end_in_the_operation_that_began_it(
    records: StoredRecords,
) -> None:
    await leave_unknown(records)
    assert [end.outcome for end in (await records.past("1")).ends] == ["unknown"]
    async with records.changing("recover") as operation:
        await operation.settle(operation.unfinished[0], outcome="ok", detail="it runs")
    assert [end.outcome for end in (await records.past("1")).ends] == ["ok"]
    assert [entry.id for entry in await records.history()] == ["2", "1"]


@pytest.mark.parametrize("name", ["7", "", "x", "../state", "1/../1"])
async def test_an_operation_that_is_not_there_is_an_error_of_usage(
    records: StoredRecords, name: str
) -> None:
    await change(records, "web-0")
    with pytest.raises(UsageError, match="no finished operation"):
        await records.past(name)


async def test_exec_and_cp_are_audited_and_are_no_operations(
    store: RecordPlace, records: StoredRecords
) -> None:
    records.prepare()
    records.audit("exec", "ok", nodes=["a"], program="uptime")
    await change(records, "web-0")
    assert [entry.id for entry in await records.history()] == ["1"]
    written = b"".join(
        content for name in store.names() if "audit" in name and (content := store.get(name))
    )
    lines = [json.loads(line) for line in written.splitlines()]
    [line] = [line for line in lines if line["operation"] == "exec"]
    assert line.pop("at").endswith("Z")
    assert line == {
        "format": 1, "by": operator(), "operation": "exec", "outcome": "ok",
        "nodes": ["a"], "program": "uptime",
    }  # fmt: skip
    [line] = [line for line in lines if line["operation"] == "start"]
    assert (line["id"], line["plan"], line["steps"]) == ("1", [ONE.key], 1)
