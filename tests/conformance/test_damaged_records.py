"""State files that are damaged, missing, or put back: in a folder, and in a bucket of S3."""

from __future__ import annotations

import json

import pytest

from phoenixctl.model.checks import Grade
from phoenixctl.model.errors import StateDamaged, UsageError
from phoenixctl.model.state import State, patched
from phoenixctl.store.document import read_document, write_document
from phoenixctl.store.folding import Kept
from phoenixctl.store.records import StoredRecords
from tests.conformance.record_places import FLEET, RecordPlace
from tests.conformance.record_story import DIGEST, SPECS, change, leave_unknown, runs


def _flipped(content: bytes) -> bytes:
    return content.replace(b'"web-1"', b'"web-7"')


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda _: b"", "it is empty"),
        (lambda c: c[: len(c) // 2], "cut off or no JSON"),
        (lambda _: b"\xff\x00 rubbish", "cut off or no JSON"),
        (lambda _: b"[1]", "no JSON object"),
        (lambda _: b"{}", "no format and checksum"),
        (_flipped, "checksum is wrong"),
    ],
)  # fmt: skip
async def test_a_damaged_state_is_found_never_empty_and_a_backup_is_offered(
    store: RecordPlace, records: StoredRecords, damage: object, why: str
) -> None:
    for number in range(3):
        await change(records, f"web-{number}")
    content = store.get("state.json")
    assert content is not None
    broken: bytes = damage(content)  # type: ignore[operator]
    store.put("state.json", broken)
    for attempt in (records.read, records.unfinished, records.pull):
        with pytest.raises(StateDamaged, match=why) as damaged:
            await attempt()
        assert "state.json" in damaged.value.what
        assert damaged.value.hint.startswith("phoenixctl state restore 3")
        assert "refresh --adopt" in damaged.value.hint
    with pytest.raises(StateDamaged):
        async with records.changing("start"):
            pytest.fail("a damaged record was changed")
    checks = {check.name: check for check in await records.doctor()}
    assert checks["state"].grade is Grade.PROBLEM
    assert why in checks["state"].found
    restored = await records.restore(3)
    assert restored == await records.read()
    assert set(restored.agents) == {"web-0", "web-1", "web-2"}
    assert restored.serial == 4
    assert broken in [store.get(name) for name in store.names() if "damaged" in name]
    assert (await records.history())[0].title == "state restore 3"
    assert await change(records, "web-4") == "5"


async def test_without_a_good_backup_refresh_is_offered(
    store: RecordPlace, records: StoredRecords
) -> None:
    await change(records, "web-0")
    store.put("state.json", b"{")
    store.put("backups/state.1.json", b"{")
    with pytest.raises(StateDamaged) as damaged:
        await records.read()
    assert damaged.value.hint == "phoenixctl refresh --adopt"
    with pytest.raises(UsageError, match="cut off or no JSON"):
        await records.restore(1)
    [backup] = await records.backups()
    assert "cut off" in backup.damage
    assert {check.name: check.grade for check in await records.doctor()}["backups"] is Grade.WARNING


async def test_the_state_of_another_fleet_is_refused(
    store: RecordPlace, records: StoredRecords
) -> None:
    await change(records, "web-0")
    content = store.get("state.json")
    assert content is not None
    state = read_document(content, FLEET).kept.state
    other = State("other", state.lineage, state.serial)
    store.put("state.json", write_document(Kept(other), at=""))
    with pytest.raises(StateDamaged, match="of the fleet 'other', not of 'shop'"):
        await records.read()


async def test_a_missing_state_is_damage_while_anything_else_of_it_is_there(
    store: RecordPlace, records: StoredRecords
) -> None:
    await change(records, "web-0")
    before = await records.read()
    store.remove("state.json")
    with pytest.raises(StateDamaged, match="it is missing") as damaged:
        await records.read()
    assert damaged.value.hint.startswith("phoenixctl state restore 1")
    trace = await records.trace()
    assert trace is not None
    assert (trace.lineage, trace.serial) == (before.lineage, 1)
    store.remove("backups/state.1.json")
    with pytest.raises(StateDamaged, match="it is missing"):
        async with records.changing("start"):
            pytest.fail("a missing record was taken for a new one")
    await records.replace_state(State(FLEET, "", 0), title="refresh --adopt")
    state = await records.read()
    assert (state.lineage, state.serial) == (before.lineage, 2)


async def test_a_fleet_whose_records_are_all_gone_begins_anew(
    store: RecordPlace, records: StoredRecords
) -> None:
    await change(records, "web-0")
    before = await records.read()
    for name in store.names():
        store.remove(name)
    assert await records.read() == State(FLEET, "", 0)
    assert await records.trace() is None
    assert await change(records, "web-0") == "1"
    assert (await records.read()).lineage != before.lineage


async def test_a_replaced_state_is_kept_as_a_backup_and_what_is_unfinished_stays(
    records: StoredRecords,
) -> None:
    await change(records, "web-5")
    await leave_unknown(records)
    before = await records.read()
    rebuilt = patched(patched(State(FLEET, before.lineage, 0), runs("web-9")), SPECS)
    await records.replace_state(rebuilt, title="refresh --adopt")
    state = await records.read()
    assert (set(state.agents), state.serial) == ({"web-9"}, 3)
    assert [u.operation for u in await records.unfinished()] == ["2"]
    assert [backup.serial for backup in await records.backups()] == [3, 2, 1]
    assert set((await records.restore(2)).agents) == {"web-5"}
    assert (await records.read()).serial == 4
    assert [u.operation for u in await records.unfinished()] == ["2"]


async def test_the_last_ten_versions_are_kept(records: StoredRecords) -> None:
    for number in range(12):
        await change(records, f"web-{number}")
    found = await records.backups()
    assert [backup.serial for backup in found] == list(range(12, 2, -1))
    assert [backup.agents for backup in found] == list(range(12, 2, -1))
    assert not any(backup.damage for backup in found)


async def test_pull_gives_the_same_bytes_for_the_same_record(records: StoredRecords) -> None:
    await change(records, "web-0")
    pulled = await records.pull()
    assert pulled == await records.pull()
    assert json.loads(pulled)["state"]["agents"] == {
        "web-0": {"epoch": 1, "id": "web-0", "node": "a", "spec_digest": DIGEST}
    }


async def test_doctor_finds_nothing_wrong_where_nothing_is(records: StoredRecords) -> None:
    for _ in range(2):
        checks = await records.doctor()
        assert [check.name for check in checks] == ["state", "backups", "journal", "lock", "audit"]
        assert {check.grade for check in checks} == {Grade.OK}
        await change(records, "web-0")


async def test_doctor_names_steps_without_an_end(records: StoredRecords) -> None:
    await leave_unknown(records)
    journal = {check.name: check for check in await records.doctor()}["journal"]
    assert journal.grade is Grade.WARNING
    assert "without an end: start agent web-0@a (operation 1)" in journal.found
