"""Records are changed by one at a time: in a folder, and in a bucket of S3."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from phoenixctl.model.errors import ExitCode, Locked
from phoenixctl.model.plan import Plan
from phoenixctl.ports.records import Holder
from phoenixctl.store.local import operator
from phoenixctl.store.records import StoredRecords
from tests.conformance.record_places import LocalPlace, RecordPlace, Say, forked
from tests.conformance.record_story import ONE, SPECS, runs


def hold(store: RecordPlace, say: Say, *, until: Path | None = None) -> None:
    """Hold the lock with a step begun, until this file is there."""

    async def holding() -> None:
        async with store.records().changing("drain web-1") as operation:
            await operation.open(Plan("drain web-1", (ONE,)), SPECS)
            await operation.begin(ONE)
            say("held")
            while until is None or not until.exists():
                await asyncio.sleep(0.01)

    asyncio.run(holding())


def test_a_second_process_is_told_who_holds_the_lock_and_for_what(store: RecordPlace) -> None:
    with forked(lambda say: hold(store, say)) as child:
        assert child.line() == "held"

        async def second() -> Locked:
            with pytest.raises(Locked) as locked:
                async with store.records().changing("cordon"):
                    pytest.fail("two processes changed the fleet at once")
            return locked.value

        names = store.names()
        error = asyncio.run(second())
        assert f"{operator()} (pid {child.pid} on " in error.what
        assert "runs `drain web-1` since 20" in error.what
        assert "--lock-wait" in error.hint
        assert error.exit_code is ExitCode.LOCKED
        assert [name for name in store.names() if name != "probe.json"] == [
            name for name in names if name != "probe.json"
        ]
        holder = asyncio.run(store.records().holder())
        assert holder is not None
        assert (holder.pid, holder.operation, holder.live) == (child.pid, "drain web-1", True)


def test_who_waits_is_told_for_whom_once_and_goes_on_after_it(
    store: RecordPlace, tmp_path: Path
) -> None:
    told: list[Holder] = []

    def tell(holder: Holder) -> None:
        told.append(holder)
        (tmp_path / "waited").touch()

    with forked(lambda say: hold(store, say, until=tmp_path / "waited")) as child:
        assert child.line() == "held"

        async def waiting() -> str:
            async with store.records().changing(
                "cordon", wait_seconds=60.0, on_wait=tell
            ) as operation:
                assert [u.step for u in operation.unfinished] == [ONE]
                return operation.id

        assert asyncio.run(waiting()) == "2"
        assert [(holder.pid, holder.operation) for holder in told] == [(child.pid, "drain web-1")]


def test_the_lock_of_a_killed_process_needs_no_unlocking(store: RecordPlace) -> None:
    with forked(lambda say: hold(store, say)) as child:
        assert child.line() == "held"
        child.signal(signal.SIGKILL)
        child.lines()
        holder = asyncio.run(store.records().holder())
        assert holder is not None
        assert (holder.pid, holder.live) == (child.pid, False)

        async def after() -> None:
            async with store.records().changing("cordon") as operation:
                assert [u.step for u in operation.unfinished] == [ONE]

        asyncio.run(after())
        assert asyncio.run(store.records().holder()) is None


async def test_the_lock_is_free_after_a_run_and_after_one_that_raised(
    records: StoredRecords,
) -> None:
    async with records.changing("one"):
        assert await records.holder() is not None
    with pytest.raises(RuntimeError):
        async with records.changing("two"):
            raise RuntimeError
    assert await records.holder() is None
    async with records.changing("three"):
        pass


def test_a_lock_that_lives_is_not_broken_and_one_that_was_left_is(store: RecordPlace) -> None:
    with forked(lambda say: hold(store, say)) as child:
        assert child.line() == "held"
        with pytest.raises(Locked, match="drain web-1"):
            asyncio.run(store.records().break_lock())
        child.signal(signal.SIGKILL)
        child.lines()
        broken = asyncio.run(store.records().break_lock())
        assert broken is not None
        assert (broken.pid, broken.live) == (child.pid, False)
    assert asyncio.run(store.records().holder()) is None
    assert asyncio.run(store.records().break_lock()) is None


def _processes(store: RecordPlace) -> int:
    return 20 if isinstance(store, LocalPlace) else 5


def test_of_many_processes_that_wait_one_changes_the_fleet_at_a_time(
    store: RecordPlace, tmp_path: Path
) -> None:
    count, inside = _processes(store), tmp_path / "inside"

    def work(say: Say, number: int) -> None:
        async def working() -> None:
            async with store.records().changing("start", wait_seconds=100.0) as operation:
                inside.mkdir()  # fails when another is in it
                await operation.open(Plan("start", (ONE,)), SPECS)
                await operation.begin(ONE)
                await operation.end(ONE, outcome="ok", detail="", patch=runs(f"web-{number}"))
                inside.rmdir()

        asyncio.run(working())
        say("ok")

    with ExitStack() as stack:
        children = [
            stack.enter_context(forked(partial(work, number=number))) for number in range(count)
        ]
        assert [child.lines() for child in children] == [["ok"]] * count
    state = asyncio.run(store.records().read())
    assert state.serial == count
    assert len(state.agents) == count
    assert len(asyncio.run(store.records().history())) == count


def test_of_many_processes_that_do_not_wait_one_wins_and_the_others_name_it(
    store: RecordPlace,
) -> None:
    count = _processes(store)

    def try_it(say: Say) -> None:
        async def trying() -> None:
            try:
                async with store.records().changing("autoscale") as operation:
                    await operation.open(Plan("autoscale", ()))
                    say(f"won {os.getpid()}")
                    await asyncio.sleep(60)
            except Locked as locked:
                say(f"{locked.exit_code.value} {locked.what}")

        asyncio.run(trying())

    with ExitStack() as stack:
        first = stack.enter_context(forked(try_it))
        assert first.line() == f"won {first.pid}"
        others = [stack.enter_context(forked(try_it)) for _ in range(count - 1)]
        for other in others:
            [said] = other.lines()
            assert said.startswith("6 the fleet is locked")
            assert f"(pid {first.pid} on " in said
