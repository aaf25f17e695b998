"""The files of a folder: whole, private, and each damaged line costs only itself."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import stat
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.checks import Grade
from phoenixctl.model.errors import PhoenixError, StateDamaged
from phoenixctl.model.plan import Plan
from phoenixctl.store import folder as folder_module
from phoenixctl.store.document import read_document, write_document
from phoenixctl.store.folding import Kept
from phoenixctl.store.local import LocalRecords, replace_file
from tests.conformance.record_places import LocalPlace, Say, forked
from tests.conformance.record_story import (
    EXPECTED,
    ONE,
    SPECS,
    TWO,
    leave_unknown,
    look,
    play,
    runs,
)

FLEET = "shop"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "phoenixctl" / FLEET


@pytest.fixture
def records(folder: Path) -> LocalRecords:
    return LocalRecords(folder, SystemClock(), FLEET)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def cut_off(folder: Path) -> None:
    """What a run leaves that begins a step and is gone."""

    def body(say: Say) -> None:
        async def half() -> None:
            records = LocalRecords(folder, SystemClock(), FLEET)
            async with records.changing("first") as operation:
                await operation.open(Plan("first", (ONE,)), SPECS)
                await operation.begin(ONE)
                say("begun")
                await asyncio.sleep(60)

        asyncio.run(half())

    with forked(body) as child:
        assert child.line() == "begun"


async def test_each_step_is_framed_by_lines_of_the_journal(
    records: LocalRecords, folder: Path
) -> None:
    async with records.changing("start") as operation:
        await operation.open(Plan("start", (ONE,)), SPECS)
        await operation.begin(ONE)
        assert lines(folder / "journal.jsonl")[-1]["event"] == "begin"  # on the disk already
        await operation.note(ONE, {"token": "one"})
        await operation.end(ONE, outcome="ok", detail="ready", patch=runs("web-1"))
    entries = lines(folder / "journal.jsonl")
    assert [entry["event"] for entry in entries] == ["open", "begin", "note", "end", "close"]
    assert {entry["operation"] for entry in entries} == {"1"}
    assert entries[1]["step"]["agent"] == "web-1"
    assert entries[3]["patch"]["agents"]["web-1"]["node"] == "a"


async def test_a_torn_last_line_costs_only_itself(records: LocalRecords, folder: Path) -> None:
    cut_off(folder)
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"event": "end", "operation": "1", "key": "cut of')
    assert [u.step for u in await records.unfinished()] == [ONE]
    async with records.changing("second") as operation:
        await operation.open(Plan("second", (TWO,)))
        await operation.begin(TWO)
        assert [u.step for u in await records.unfinished()] == [ONE, TWO]
        await operation.end(TWO, outcome="ok", detail="")
    assert [u.step for u in await records.unfinished()] == [ONE]
    assert {check.name: check.grade for check in await records.doctor()}["journal"] is Grade.WARNING


async def test_binary_rubbish_hides_no_unfinished_step(records: LocalRecords, folder: Path) -> None:
    cut_off(folder)
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'\xff\x00\n[1]\n"text"\nnull\n{"operation": [], "event": 1}\n')
    assert [u.step for u in await records.unfinished()] == [ONE]
    journal = {check.name: check for check in await records.doctor()}["journal"]
    assert "5 that cannot be read" in journal.found


@pytest.mark.parametrize(
    "change",
    [
        lambda line: {**line, "event": "teleport"},
        lambda line: {**line, "step": {**line["step"], "colour": "red"}},
        lambda line: {**line, "format": 99},
    ],
)
async def test_a_line_that_a_newer_version_wrote_is_not_passed_over(
    records: LocalRecords, folder: Path, change: Any
) -> None:
    cut_off(folder)
    journal = folder / "journal.jsonl"
    found = lines(journal)
    found[-1] = change(found[-1])
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in found))
    with pytest.raises(StateDamaged, match="of operation 1 cannot be read") as damaged:
        await records.read()
    assert "refresh --adopt" in damaged.value.hint
    await records.replace_state(
        read_document((folder / "state.json").read_bytes(), FLEET).kept.state, title="refresh"
    )
    assert (await records.read()).serial == 2


async def test_a_torn_audit_log_keeps_the_next_line_whole(
    records: LocalRecords, folder: Path
) -> None:
    records.audit("exec", "ok")
    with (folder / "audit.jsonl").open("ab") as file:
        file.write(b'{"half')
    records.audit("cp", "ok")
    assert json.loads((folder / "audit.jsonl").read_text().splitlines()[-1])["operation"] == "cp"


async def test_a_name_that_is_not_utf_8_can_be_recorded(records: LocalRecords) -> None:
    odd = os.fsdecode(b"caf\xe9")
    async with records.changing(odd) as operation:
        await operation.open(Plan(odd, (ONE,)))
        await operation.begin(ONE)
        await operation.end(ONE, outcome="ok", detail=odd)
    assert (await records.past("1")).ends[0].detail == odd
    assert (await records.history())[0].title == odd


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
async def test_files_are_private_from_their_creation_whatever_the_umask(
    records: LocalRecords, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "chmod", lambda *_a, **_k: pytest.fail("made private too late"))
    monkeypatch.setattr(Path, "chmod", lambda *_a, **_k: pytest.fail("made private too late"))
    await leave_unknown(records)
    await play(records, lambda _: None)
    (folder / "state.json").write_bytes(b"{")
    await records.restore(2)
    found = list(folder.rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()} == {0o600}
    folders = [path for path in found if path.is_dir()]
    assert {path.name for path in folders} == {"backups", "operations", "damaged"}
    made = [*folders, folder, folder.parent, folder.parent.parent]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


async def test_a_place_that_cannot_hold_records_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    records = LocalRecords(tmp_path / "file" / "fleet", SystemClock(), FLEET)
    for attempt in (records.prepare, lambda: records.audit("exec", "ok")):
        with pytest.raises(PhoenixError, match="cannot keep records in") as error:
            attempt()
        assert "XDG_STATE_HOME" in error.value.hint
    with pytest.raises(PhoenixError, match="cannot keep records in"):
        async with records.changing("start"):
            pytest.fail("there is no place for records")


def test_a_write_that_fails_leaves_the_old_file_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record"
    replace_file(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["record"]


async def test_a_full_disk_is_told_before_the_step_and_leaves_no_half_line(
    records: LocalRecords, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    async with records.changing("start") as operation:
        await operation.open(Plan("start", (ONE,)), SPECS)
        with monkeypatch.context() as full:

            def half(descriptor: int, content: bytes) -> int:
                if len(content) < 100:
                    raise OSError(28, "No space left on device")
                return write(descriptor, content[: len(content) - 50])

            full.setattr(os, "write", half)
            with pytest.raises(PhoenixError, match="cannot be written: No space") as error:
                await operation.begin(ONE)
            assert "make room" in error.value.hint
        assert await records.unfinished() == ()
        await operation.begin(ONE)
        assert [line["event"] for line in lines(folder / "journal.jsonl")] == ["open", "begin"]
        await operation.end(ONE, outcome="ok", detail="")


async def test_a_long_journal_is_begun_anew_and_nothing_is_forgotten(
    records: LocalRecords, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "JOURNAL_LIMIT", 4000)
    await leave_unknown(records)
    while not (folder / "journal.1.jsonl").exists():
        async with records.changing("again") as operation:
            await operation.open(Plan("again", (TWO,)))
            await operation.begin(TWO)
            await operation.end(TWO, outcome="ok", detail="", patch=runs("web-2"))
    assert (folder / "journal.1.jsonl").stat().st_size > 4000
    assert [u.operation for u in await records.unfinished()] == ["1"]
    assert set((await records.read()).agents) == {"web-2"}
    assert (await records.past("2")).plan.steps == (TWO,)
    serial = (await records.read()).serial
    async with records.changing("later") as operation:
        assert operation.id == str(serial + 1)
    assert (folder / "journal.jsonl").read_bytes() == b""


async def test_a_journal_is_not_begun_anew_while_an_operation_is_open(
    records: LocalRecords, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_module, "JOURNAL_LIMIT", 10)
    cut_off(folder)
    assert not (folder / "journal.1.jsonl").exists()
    async with records.changing("next"):
        pass
    assert (folder / "journal.1.jsonl").exists()
    assert [u.step for u in await records.unfinished()] == [ONE]


async def test_what_killed_writers_left_is_swept_but_no_writing_of_sightings(
    records: LocalRecords, folder: Path
) -> None:
    await leave_unknown(records)
    left = [
        folder / ".state.json.abc", folder / "backups" / ".state.1.json.abc",
        folder / "operations" / ".1.json.abc", folder / ".sightings.json.old",
    ]  # fmt: skip
    for path in left:
        path.write_bytes(b"half")
    os.utime(left[-1], (0, 0))
    fresh = folder / ".sightings.json.new"
    fresh.write_bytes(b"half")
    async with records.changing("next"):
        assert [path for path in left if path.exists()] == []
        assert fresh.exists()


async def test_a_state_file_put_back_by_hand_is_brought_forward_from_the_journal(
    records: LocalRecords, folder: Path
) -> None:
    await leave_unknown(records)
    await play(records, lambda _: None)
    (folder / "state.json").write_bytes((folder / "backups" / "state.1.json").read_bytes())
    assert await look(records) == EXPECTED[-1]
    async with records.changing("next") as operation:
        assert operation.id == "3"
    assert await look(records) == EXPECTED[-1]
    assert [entry.id for entry in await records.history()] == ["2", "1"]


async def test_a_state_file_put_back_by_hand_without_its_journal_gives_no_serial_out_twice(
    records: LocalRecords, folder: Path
) -> None:
    """Providers make a node once for each operation: an id must never mean another one."""
    await leave_unknown(records)
    await play(records, lambda _: None)
    (folder / "state.json").write_bytes((folder / "backups" / "state.1.json").read_bytes())
    (folder / "journal.jsonl").unlink()
    assert await look(records) == EXPECTED[0]
    assert (await records.read()).serial == 2
    async with records.changing("next") as operation:
        assert operation.id == "3"


async def test_a_state_of_another_lineage_takes_nothing_from_the_journal(
    records: LocalRecords, folder: Path
) -> None:
    cut_off(folder)
    other = read_document((folder / "state.json").read_bytes(), FLEET).kept.state
    foreign = write_document(Kept(replace(other, lineage="another")), at="")
    (folder / "state.json").write_bytes(foreign)
    assert await records.unfinished() == ()
    assert (await records.read()).lineage == "another"
    async with records.changing("next") as operation:
        assert operation.id == "2"
        await operation.open(Plan("next", ()))
    assert (await records.read()).lineage == "another"
    assert [entry.id for entry in await records.history()] == ["2", "1"]


async def test_a_killed_writer_never_leaves_a_state_that_cannot_be_read(folder: Path) -> None:
    """Twenty of them, at whatever they are doing."""
    place = LocalPlace(folder)

    def body(say: Say) -> None:
        async def changing() -> None:
            records = place.records()
            for number in itertools.count():
                async with records.changing("start") as operation:
                    await operation.open(Plan("start", (ONE,)), SPECS)
                    await operation.begin(ONE)
                    await operation.end(ONE, outcome="ok", detail="", patch=runs(f"web-{number}"))
                say("changed")

        asyncio.run(changing())

    chance = random.Random(7)
    serial = 0
    for _ in range(20):
        with forked(body) as child:
            assert child.line() == "changed"
            time.sleep(chance.random() * 0.01)
        state = await place.records().read()
        assert state.serial > serial
        serial = state.serial
