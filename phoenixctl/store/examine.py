"""What is good and bad about the records of a fleet."""

from __future__ import annotations

import json

from phoenixctl.model.checks import Check, Grade
from phoenixctl.model.errors import PhoenixError
from phoenixctl.store.backing import Backing
from phoenixctl.store.past import read_entry
from phoenixctl.store.reading import Reader, Reading, is_closed

ABOUT = "records"


async def examine(backing: Backing, reader: Reader, fleet: str) -> tuple[Check, ...]:
    """One check for each piece. Nothing is changed."""
    reading = None
    try:
        reading = await reader.read()
        state = _state(backing, reading)
    except PhoenixError as error:
        state = Check(ABOUT, "state", Grade.PROBLEM, error.what, error.hint)
    return (
        state,
        await _backups(reader, backing),
        await _journal(backing, reading, fleet),
        await _lock(backing),
        await _audit(backing),
    )


def _state(backing: Backing, reading: Reading) -> Check:
    if reading.kept is None:
        return Check(ABOUT, "state", Grade.OK, "none yet: the first change makes it")
    state = reading.kept.state
    return Check(
        ABOUT,
        "state",
        Grade.OK,
        f"{backing.where}: serial {state.serial}, lineage {state.lineage}, "
        f"{len(state.nodes)} nodes, {len(state.agents)} agents",
    )


async def _backups(reader: Reader, backing: Backing) -> Check:
    found = [await reader.backup(serial) for serial in await backing.backups()]
    good = [str(backup.serial) for backup in found if not backup.damage]
    bad = [f"{backup.serial} ({backup.damage})" for backup in found if backup.damage]
    if bad:
        words = f"good: {', '.join(good) or 'none'}; damaged: {', '.join(bad)}"
        return Check(ABOUT, "backups", Grade.WARNING, words, "the next change writes a good one")
    return Check(ABOUT, "backups", Grade.OK, f"of serials {', '.join(good)}" if good else "none")


async def _journal(backing: Backing, reading: Reading | None, fleet: str) -> Check:
    lines, lost = await backing.journal(-1)
    try:
        unfinished = reading.folded(fleet).unfinished if reading else ()
    except PhoenixError as error:
        return Check(ABOUT, "journal", Grade.PROBLEM, error.what, error.hint)
    words = [f"{len(lines)} lines"]
    if lost:
        words.append(f"{lost} that cannot be read")
    if reading is not None:
        going_on = [name for name, of in reading.newer().items() if not is_closed(of)]
        words += [f"operation {name} goes on or was cut off" for name in going_on]
    words += [f"without an end: {u.step.key} (operation {u.operation})" for u in unfinished]
    hint = "the next change finishes what was cut off" if unfinished else ""
    grade = Grade.WARNING if lost or unfinished else Grade.OK
    return Check(ABOUT, "journal", grade, "; ".join(words), hint)


async def _lock(backing: Backing) -> Check:
    holder = await backing.holder()
    if holder is None:
        return Check(ABOUT, "lock", Grade.OK, "nobody holds it")
    words = f"{holder.by} (pid {holder.pid} on {holder.host}) runs `{holder.operation}`"
    if holder.live:
        return Check(ABOUT, "lock", Grade.OK, f"{words}, last sign of life {holder.renewed}")
    return Check(ABOUT, "lock", Grade.OK, f"left by one that is gone: {words}; the next takes it")


async def _audit(backing: Backing) -> Check:
    lines = [line for line in await backing.audit_lines() if line.strip()]
    found = sum(read_entry(line) is not None for line in lines)
    torn = sum(not _is_json(line) for line in lines)
    words = f"{len(lines)} lines, {found} of operations"
    if torn:
        return Check(ABOUT, "audit", Grade.WARNING, f"{words}, {torn} that cannot be read")
    return Check(ABOUT, "audit", Grade.OK, words)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
