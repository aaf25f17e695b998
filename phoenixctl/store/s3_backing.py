"""Records as objects of a bucket, under `<prefix>/<fleet>/`.

state.json                        the record
lock.json                         who changes something, and until when
journal/7/000003.json             what operation 7 did, each object written before it goes on
backups/state.7.json              the record as it was after operation 7
operations/7.json                 operation 7 whole
audit/operation-000000000007.json its line in the audit log
audit/<time>-<nonce>.json         the line of an `exec` or `cp`
damaged/                          state files that could not be read
probe.json                        shows that the store honours conditions
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Final

from phoenixctl.model.s3 import S3Store
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.records import Holder, PastOperation
from phoenixctl.store.backing import KEPT_BACKUPS, KEPT_OPERATIONS, OnWait
from phoenixctl.store.events import Closed, Event, Line
from phoenixctl.store.holding import Waiting
from phoenixctl.store.past import audit_line, write_past
from phoenixctl.store.s3_journal import JournalWriter, journals, read_journal
from phoenixctl.store.s3_lease import NAME as LOCK
from phoenixctl.store.s3_lease import Lease, read_lock
from phoenixctl.store.s3_objects import Changed, Objects
from phoenixctl.store.s3_probe import require_conditions

_NUMBERED: Final = re.compile(r".*?(\d+)\.json")
_STATE: Final = "state.json"


class S3Backing:
    """Implements store.backing.Backing."""

    def __init__(self, settings: S3Store, fleet: str, clock: Clock) -> None:
        self._objects = Objects(settings, fleet)
        self._clock = clock
        self._lease_seconds = settings.lease_seconds
        self._probed = False

    @property
    def where(self) -> str:
        return self._objects.where(_STATE)

    async def state(self) -> bytes | None:
        return await self._body(_STATE)

    async def version(self) -> str:
        return await asyncio.to_thread(self._objects.etag, _STATE)

    async def backups(self) -> Sequence[int]:
        return [_number(name) for name in await _numbered(self._objects, "backups/")]

    async def backup(self, serial: int) -> bytes | None:
        return await self._body(f"backups/state.{serial}.json")

    async def journal(self, after: int) -> tuple[Sequence[Line], int]:
        found = await journals(self._objects)
        names = [name for number, of in found.items() if number > after for name in of]
        return await read_journal(self._objects, names)

    async def past(self, operation: str) -> bytes | None:
        return await self._body(f"operations/{operation}.json")

    async def audit_lines(self) -> Sequence[bytes]:
        names = await _numbered(self._objects, "audit/operation-")
        latest = reversed(names[:KEPT_OPERATIONS])
        bodies = await asyncio.gather(*(self._body(name) for name in latest))
        return [body for body in bodies if body is not None]

    async def is_audited(self, operation: str) -> bool:
        return await self._body(_audit_name(operation)) is not None

    async def holder(self) -> Holder | None:
        body = await self._body(LOCK)
        lock = read_lock(body) if body is not None else None
        return None if lock is None or lock.free else lock.holder

    async def break_lock(self) -> Holder | None:
        """Watches it for the time of its lease, where it cannot be told otherwise that its holder
        is gone."""
        body = await self._body(LOCK)
        lock = read_lock(body) if body is not None else None
        if lock is None or lock.free:
            return None
        lease = Lease(self._objects, self._clock, title="lock break", seconds=self._lease_seconds)
        await lease.acquire(wait_seconds=0.0, waiting=Waiting(None), watch=True)
        await lease.release(fence=True)
        return replace(lock.holder, live=False)

    @asynccontextmanager
    async def held(
        self, title: str, *, wait_seconds: float, on_wait: OnWait | None
    ) -> AsyncIterator[S3Held]:
        if not self._probed:
            await asyncio.to_thread(require_conditions, self._objects)
            self._probed = True
        lease = Lease(self._objects, self._clock, title=title, seconds=self._lease_seconds)
        await lease.acquire(wait_seconds=wait_seconds, waiting=Waiting(on_wait))
        try:
            yield S3Held(self._objects, lease)
        except BaseException:
            await lease.release(fence=lease.taken_over)
            raise
        await lease.release(fence=False)

    def prepare(self) -> None:
        self._objects.etag(LOCK)

    def audit(self, line: bytes) -> None:
        at = str(json.loads(line)["at"])
        self._objects.put(f"audit/{at}-{os.urandom(4).hex()}.json", line + b"\n")

    async def _body(self, name: str) -> bytes | None:
        found = await asyncio.to_thread(self._objects.get, name)
        return found.body if found else None


class S3Held:
    """Implements store.backing.Held."""

    def __init__(self, objects: Objects, lease: Lease) -> None:
        self._objects = objects
        self._lease = lease
        self._writer = JournalWriter(objects, lease)
        self._etag = ""
        self._tried = b""

    @property
    def taken_over(self) -> bool:
        return self._lease.taken_over

    async def state(self) -> bytes | None:
        found = await asyncio.to_thread(self._objects.get, _STATE)
        self._etag = found.etag if found else ""
        return found.body if found else None

    async def write_state(self, content: bytes) -> None:
        earlier, self._tried = self._tried, content
        for _ in range(2):
            self._lease.check()
            with suppress(Changed):
                self._etag = await self._put_state(content)
                return
            if await self.state() != earlier:
                break
            # An earlier write of ours has arrived, though its answer did not: on top of that.
        raise self._lease.gone("another run has written the state file")

    async def _put_state(self, content: bytes) -> str:
        if not self._etag:
            return await asyncio.to_thread(self._objects.put_new, _STATE, content)
        return await asyncio.to_thread(self._objects.put_over, _STATE, content, self._etag)

    async def write_backup(self, serial: int, content: bytes) -> None:
        await self._put(f"backups/state.{serial}.json", content)
        await self._forget((await _numbered(self._objects, "backups/"))[KEPT_BACKUPS:])

    async def set_aside(self, content: bytes) -> str:
        name = f"damaged/state.{hashlib.sha256(content).hexdigest()[:12]}.json"
        await self._put(name, content)
        return self._objects.where(name)

    async def append(self, event: Event) -> None:
        await self._writer.append(event)

    async def seal(self, operation: str) -> None:
        await self._writer.seal(operation)

    async def half_closed(self, serial: int) -> Sequence[str]:
        found = []
        for operation, names in (await journals(self._objects)).items():
            if operation > serial:
                continue
            # What was retired has one object left. Only the latest can have begun with one.
            alone = len(names) == 1
            if not alone or (operation == serial and not await self._writer.is_ended(names[0])):
                found.append(str(operation))
        return found

    async def retire(self, closed: Closed) -> None:
        """Its last object stays: it keeps out whoever had the operation and lost the lock."""
        if self._writer.wrote(closed.operation):
            await self._writer.append(closed)
        else:
            await self._writer.seal(closed.operation)
        found = await journals(self._objects)
        forgotten = found.get(int(closed.operation), [])[:-1]
        for operation, names in found.items():
            if operation <= int(closed.operation) - KEPT_OPERATIONS:
                forgotten += names
        await self._forget(forgotten)

    async def write_past(self, past: PastOperation) -> None:
        await self._put(f"operations/{past.entry.id}.json", write_past(past))
        await self._forget((await _numbered(self._objects, "operations/"))[KEPT_OPERATIONS:])

    async def audit(self, past: PastOperation) -> None:
        await self._put(_audit_name(past.entry.id), audit_line(past) + b"\n")

    async def _put(self, name: str, content: bytes) -> None:
        self._lease.check()
        await asyncio.to_thread(self._objects.put, name, content)

    async def _forget(self, names: Sequence[str]) -> None:
        if names:
            self._lease.check()
            await asyncio.to_thread(self._objects.remove, names)


async def _numbered(objects: Objects, folder: str) -> list[str]:
    """Names with a number at their end, the highest first."""
    names = await asyncio.to_thread(objects.names, folder)
    found = [name for name in names if _NUMBERED.fullmatch(name)]
    return sorted(found, key=_number, reverse=True)


def _number(name: str) -> int:
    match = _NUMBERED.fullmatch(name)
    return int(match[1]) if match else -1


def _audit_name(operation: str) -> str:
    return f"audit/operation-{int(operation):012}.json"
