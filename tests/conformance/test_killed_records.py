"""Records of runs that are killed at any write: in a folder, and in a bucket of S3."""

from __future__ import annotations

import asyncio
import itertools
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.checks import Grade
from phoenixctl.model.errors import StateDamaged
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Plan
from phoenixctl.store.past import read_entry
from phoenixctl.store.records import StoredRecords
from tests.conformance.record_places import RecordPlace, Say, forked
from tests.conformance.record_story import (
    EXPECTED,
    ONE,
    THREE,
    TWO,
    Recorded,
    change,
    leave_unknown,
    look,
    play,
    runs,
)


def _killed_at(store: RecordPlace, number: int) -> tuple[int, bool]:
    """Play the story in a process that dies at its n-th write: how far it got, and whether it
    came to its end."""

    def body(say: Say) -> None:
        records = store.records()
        store.die_at(number)
        asyncio.run(play(records, say))
        say("closed")

    with forked(body) as child:
        said = child.lines()
    assert set(said) <= {"done", "closed"}, said
    return said.count("done"), "closed" in said


def _check_after(store: RecordPlace, done: int) -> None:
    """The record is as the story was when the process died, before and after the next run."""
    allowed = EXPECTED[done : done + 2]
    records = store.records()
    before = asyncio.run(look(records))
    assert before in allowed

    async def next_run() -> None:
        async with records.changing("next") as operation:
            assert Recorded.of(operation.state, operation.unfinished) == before
            await operation.open(Plan("next", ()))

    asyncio.run(next_run())
    assert asyncio.run(look(records)) == before
    entries = asyncio.run(records.history())
    ids = [entry.id for entry in entries]
    assert ids in (["2", "1"], ["3", "2", "1"])
    if len(ids) == 3:
        past = asyncio.run(records.past("2"))
        assert past.entry == entries[1]
        assert past.entry.title == "second"
    audit = (store.get("audit.jsonl") or b"").splitlines()
    whole = [entry.id for line in audit if (entry := read_entry(line))]
    assert whole in ([], list(reversed(ids)))  # each once
    assert not [name for name in store.names() if name.rpartition("/")[2].startswith(".")]
    checks = asyncio.run(records.doctor())
    assert {c.grade for c in checks if c.name in ("state", "backups", "lock")} == {Grade.OK}


@pytest.mark.timeout(400)  # some forty runs, each with a server to ask
def test_a_run_that_is_killed_at_any_write_is_taken_up_by_the_next(store: RecordPlace) -> None:
    for number in itertools.count(1):
        one = store.beside(str(number))
        asyncio.run(leave_unknown(one.records()))
        done, closed = _killed_at(one, number)
        _check_after(one, done)
        if closed:
            break
    assert number > 20


@pytest.mark.timeout(400)  # some forty runs, each with a server to ask
def test_taking_up_is_taken_up_when_it_is_killed_at_any_write_itself(store: RecordPlace) -> None:
    for number in itertools.count(1):
        one = store.beside(str(number))
        asyncio.run(leave_unknown(one.records()))

        def first(say: Say, one: RecordPlace = one) -> None:
            async def half() -> None:
                async with one.records().changing("second") as operation:
                    await operation.settle(
                        operation.unfinished[0], outcome="ok", detail="", patch=runs("web-0")
                    )
                    await operation.open(Plan("second", (ONE, TWO, THREE)))
                    await operation.begin(ONE)
                    say("held")
                    await asyncio.sleep(60)

            asyncio.run(half())

        def second(say: Say, one: RecordPlace = one, number: int = number) -> None:
            async def taking_up() -> None:
                async with one.records().changing("third"):
                    say("taken up")

            one.die_at(number)
            asyncio.run(taking_up())

        with forked(first) as child:
            assert child.line() == "held"
            child.signal(signal.SIGKILL)
            child.lines()
        with forked(second) as child:
            closed = child.lines() == ["taken up"]
        expected = Recorded(frozenset({"web-0"}), unfinished=frozenset({("2", "web-1", 0)}))
        records = one.records()
        assert asyncio.run(look(records)) == expected

        async def last(records: StoredRecords = records, expected: Recorded = expected) -> None:
            async with records.changing("fourth") as operation:
                assert Recorded.of(operation.state, operation.unfinished) == expected
            found = [(e.id, e.title, e.outcome) for e in await records.history()]
            assert found[0] == ("2", "second", "interrupted")
            assert len(found) == 2
            [end] = (await records.past("2")).ends
            assert (end.key, end.outcome) == (ONE.key, "unknown")

        asyncio.run(last())
        if closed:
            break
    assert number > 8


@pytest.mark.timeout(400)
def test_putting_a_backup_back_can_be_killed_at_any_write_and_done_again(
    store: RecordPlace,
) -> None:
    for number in itertools.count(1):
        one = store.beside(str(number))
        asyncio.run(change(one.records(), "web-0"))
        asyncio.run(change(one.records(), "web-1"))
        one.put("state.json", b"{")

        def restore(say: Say, one: RecordPlace = one, number: int = number) -> None:
            records = one.records()
            one.die_at(number)
            asyncio.run(records.restore(1))
            say("restored")

        with forked(restore) as child:
            closed = child.lines() == ["restored"]
        records = one.records()
        with suppress(StateDamaged):
            assert set(asyncio.run(records.read()).agents) == {"web-0"}
        state = asyncio.run(records.restore(1))
        assert set(state.agents) == {"web-0"}
        assert state.serial in (3, 4)
        titles = [entry.title for entry in asyncio.run(records.history())]
        assert titles[-3:] == ["state restore 1", "start", "start"]
        assert b"{" in [one.get(name) for name in one.names() if "damaged" in name]
        assert asyncio.run(change(records, "web-2")) == str(state.serial + 1)
        if closed:
            break
    assert number > 8


async def test_availability_is_kept_on_this_machine(records: StoredRecords, tmp_path: Path) -> None:
    records.sighted({NodeName("a"): True, NodeName("b"): False}, epoch=SystemClock().epoch())
    assert records.availability() == {"a": 1.0, "b": 0.0}
    assert len(list(tmp_path.rglob("sightings.json"))) == 1
