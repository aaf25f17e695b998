"""Records as files of one folder.

state.json              the record
backups/state.7.json    the record as it was after operation 7
operations/7.json       operation 7 whole
journal.jsonl           what operations did, each line synced before they go on
journal.1.jsonl         the one before it
audit.jsonl             one line per finished operation, `exec` and `cp`
lock                    held by the one process that changes something
damaged/                state files that could not be read
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from phoenixctl.ports.clock import Clock
from phoenixctl.ports.records import Holder, PastOperation
from phoenixctl.store.backing import KEPT_BACKUPS, KEPT_OPERATIONS, OnWait
from phoenixctl.store.disk import LineFile, line_file, make_private, read_or_none, write_safely
from phoenixctl.store.events import Closed, Event, Line, read_lines, write_event
from phoenixctl.store.local_lock import LocalLock
from phoenixctl.store.past import audit_line, read_entry, write_past

JOURNAL_LIMIT: Final = 1024**2  # bytes; it is read at every change
_STALE_SECONDS: Final = 3600.0  # sightings are written without the lock: another may be at it
_FOLDERS: Final = ("backups", "operations", "damaged")
_NUMBERED: Final = re.compile(r"(?:state\.)?(\d+)\.json")


class FolderBacking:
    """Implements store.backing.Backing."""

    def __init__(self, folder: Path, clock: Clock, *, renew_seconds: float) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = LocalLock(folder / "lock", clock, renew_seconds=renew_seconds)

    @property
    def where(self) -> str:
        return str(self._folder / "state.json")

    async def state(self) -> bytes | None:
        return read_or_none(self._folder / "state.json")

    async def version(self) -> str:
        try:
            found = (self._folder / "state.json").stat()
        except OSError:
            return ""
        return f"{found.st_ino}.{found.st_mtime_ns}.{found.st_size}"

    async def backups(self) -> Sequence[int]:
        return _numbers(self._folder / "backups")

    async def backup(self, serial: int) -> bytes | None:
        return read_or_none(self._folder / "backups" / f"state.{serial}.json")

    async def journal(self, after: int) -> tuple[Sequence[Line], int]:
        lines, lost = read_lines(_lines_of(self._folder / "journal.jsonl"))
        return [line for line in lines if line.serial > after], lost

    async def past(self, operation: str) -> bytes | None:
        return read_or_none(self._folder / "operations" / f"{operation}.json")

    async def audit_lines(self) -> Sequence[bytes]:
        return _lines_of(self._folder / "audit.jsonl")

    async def is_audited(self, operation: str) -> bool:
        entries = (read_entry(line) for line in _lines_of(self._folder / "audit.jsonl"))
        return any(entry is not None and entry.id == operation for entry in entries)

    async def holder(self) -> Holder | None:
        return self._lock.holder()

    async def break_lock(self) -> Holder | None:
        return await self._lock.break_lock()

    @asynccontextmanager
    async def held(
        self, title: str, *, wait_seconds: float, on_wait: OnWait | None
    ) -> AsyncIterator[FolderHeld]:
        async with self._lock.held(title, wait_seconds=wait_seconds, on_wait=on_wait):
            self._sweep()
            with line_file(self._folder / "journal.jsonl") as journal:
                yield FolderHeld(self._folder, journal)
            self._rotate()

    def prepare(self) -> None:
        make_private(self._folder)

    def audit(self, line: bytes) -> None:
        make_private(self._folder)
        with line_file(self._folder / "audit.jsonl") as log:
            log.add(line)

    def _rotate(self) -> None:
        """Begin the journal anew when it is long and all of it is in the state file."""
        path = self._folder / "journal.jsonl"
        if path.stat().st_size > JOURNAL_LIMIT and not _not_closed(path):
            path.replace(self._folder / "journal.1.jsonl")

    def _sweep(self) -> None:
        """Remove what writers that were killed have left half written."""
        for folder in (self._folder, *(self._folder / name for name in _FOLDERS)):
            for path in folder.glob(".*.json.*"):
                if not path.name.startswith(".sightings.") or self._is_old(path):
                    path.unlink(missing_ok=True)

    def _is_old(self, path: Path) -> bool:
        try:
            return path.stat().st_mtime < self._clock.epoch() - _STALE_SECONDS
        except FileNotFoundError:
            return False


class FolderHeld:
    """Implements store.backing.Held."""

    taken_over = False  # the kernel gives a lock to nobody while its holder lives

    def __init__(self, folder: Path, journal: LineFile) -> None:
        self._folder = folder
        self._journal = journal

    async def state(self) -> bytes | None:
        return read_or_none(self._folder / "state.json")

    async def write_state(self, content: bytes) -> None:
        write_safely(self._folder / "state.json", content)

    async def write_backup(self, serial: int, content: bytes) -> None:
        folder = self._folder / "backups"
        write_safely(folder / f"state.{serial}.json", content)
        for older in _numbers(folder)[KEPT_BACKUPS:]:
            (folder / f"state.{older}.json").unlink(missing_ok=True)

    async def set_aside(self, content: bytes) -> str:
        # Named by its content: the same one twice is kept once.
        name = f"state.{hashlib.sha256(content).hexdigest()[:12]}.json"
        write_safely(self._folder / "damaged" / name, content)
        return str(self._folder / "damaged" / name)

    async def append(self, event: Event) -> None:
        self._journal.add(write_event(event))

    async def seal(self, operation: str) -> None:
        """Nothing to do: that run is gone, or the lock would not be ours."""

    async def half_closed(self, serial: int) -> Sequence[str]:
        found = _not_closed(self._folder / "journal.jsonl")
        return [str(operation) for operation in found if operation <= serial]

    async def retire(self, closed: Closed) -> None:
        self._journal.add(write_event(closed))

    async def write_past(self, past: PastOperation) -> None:
        folder = self._folder / "operations"
        write_safely(folder / f"{past.entry.id}.json", write_past(past))
        for older in _numbers(folder)[KEPT_OPERATIONS:]:
            (folder / f"{older}.json").unlink(missing_ok=True)

    async def audit(self, past: PastOperation) -> None:
        with line_file(self._folder / "audit.jsonl") as log:
            log.add(audit_line(past))


def _numbers(folder: Path) -> list[int]:
    """Of the files `7.json` or `state.7.json`, the highest first."""
    found = (_NUMBERED.fullmatch(path.name) for path in folder.glob("*.json"))
    return sorted((int(match[1]) for match in found if match), reverse=True)


def _not_closed(journal: Path) -> list[int]:
    lines, _ = read_lines(_lines_of(journal))
    closed = {line.serial for line in lines if line.kind == "close"}
    return sorted({line.serial for line in lines} - closed)


def _lines_of(path: Path) -> list[bytes]:
    return (read_or_none(path) or b"").split(b"\n")
