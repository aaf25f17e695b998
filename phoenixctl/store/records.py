"""Records of one fleet, in any store: the rules of state, lock, journal and audit log.

Most commands only keep who answered; what the rest needs is imported when it is first used.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Final

from phoenixctl.model.errors import PhoenixError, UsageError
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.ports.clock import Clock
from phoenixctl.store.sightings import Sightings
from phoenixctl.store.who import operator

if TYPE_CHECKING:
    from phoenixctl.model.checks import Check
    from phoenixctl.model.state import State
    from phoenixctl.ports.records import Entry, Holder, PastOperation, Unfinished
    from phoenixctl.store.backing import Backing, Held, OnWait
    from phoenixctl.store.events import Event
    from phoenixctl.store.leases import LeaseBook
    from phoenixctl.store.operation import StoredOperation
    from phoenixctl.store.reading import Backup, Reader, Trace

AUDIT_FORMAT: Final = 1


class StoredRecords(ABC):
    """Implements ports.records.Records over a store, which subclasses name."""

    def __init__(self, fleet: str, clock: Clock, sightings: Sightings) -> None:
        self._fleet = fleet
        self._clock = clock
        self._sightings = sightings

    def _book(self) -> LeaseBook | None:
        """Where permissions are kept, if all of them are given from this machine."""
        return None

    @abstractmethod
    def _open(self) -> Backing:
        """The store; nothing is read or written yet."""

    @cached_property
    def _backing(self) -> Backing:
        return self._open()

    @cached_property
    def _reader(self) -> Reader:
        from phoenixctl.store.reading import Reader

        return Reader(self._backing, self._fleet)

    @asynccontextmanager
    async def changing(
        self, title: str, *, wait_seconds: float = 0.0, on_wait: OnWait | None = None
    ) -> AsyncIterator[StoredOperation]:
        """Hold the lock for one operation; first what was cut off before is written down."""
        from phoenixctl.store.catching_up import catch_up
        from phoenixctl.store.closing import Desk
        from phoenixctl.store.operation import StoredOperation

        async with self._backing.held(title, wait_seconds=wait_seconds, on_wait=on_wait) as held:
            desk = Desk(self._backing, held, self._clock)
            before = await catch_up(desk, self._reader, self._fleet)
            operation = StoredOperation(desk, before, title=title, by=operator())
            try:
                yield operation
            except BaseException as error:
                ordinary = isinstance(error, Exception)  # else Ctrl-C, also as a cancelled task
                # What happened first is what is told; the next run finds the journal.
                with suppress(PhoenixError, OSError):
                    await operation.close("failed" if ordinary else "interrupted")
                raise
            await operation.close()

    async def read(self) -> State:
        return (await self._reader.read()).folded(self._fleet).state

    async def unfinished(self) -> Sequence[Unfinished]:
        return (await self._reader.read()).folded(self._fleet).unfinished

    async def history(self) -> Sequence[Entry]:
        """Finished operations, the latest first."""
        from phoenixctl.store.past import read_entry

        lines = await self._backing.audit_lines()
        # One that was put down twice, by a crash between, is one.
        entries = {entry.id: entry for line in lines if (entry := read_entry(line))}
        return tuple(reversed(entries.values()))

    async def past(self, operation: str) -> PastOperation:
        from phoenixctl.store.past import read_past

        # The id is part of a path.
        raw = await self._backing.past(operation) if operation.isdecimal() else None
        if raw is None:
            raise UsageError(
                f"there is no finished operation {operation!r}, or it is too long ago",
                hint="phoenixctl history lists them",
            )
        return read_past(raw, where=f"operation {operation}")

    async def holder(self) -> Holder | None:
        return await self._backing.holder()

    async def break_lock(self) -> Holder | None:
        return await self._backing.break_lock()

    async def replace_state(self, state: State, *, title: str) -> None:
        """Put a rebuilt record in the place of the one there is, which is kept as a backup.

        Its serial becomes the one after the latest that was given out. Without a lineage it gets
        the one that `trace` finds, or a new one.
        """
        async with self._backing.held(title, wait_seconds=0.0, on_wait=None) as held:
            await self._put(held, title, lambda _since: state)

    async def restore(self, serial: int) -> State:
        """Go back to a backup, with what operations that were cut off have done since; what is
        there now is kept. UsageError when there is no such backup, or it is damaged."""
        from phoenixctl.store.folding import fold

        title = f"state restore {serial}"
        async with self._backing.held(title, wait_seconds=0.0, on_wait=None) as held:
            written = await self._reader.kept_backup(serial)
            if isinstance(written, str):
                raise UsageError(
                    f"the backup {serial} cannot be restored: {written}",
                    hint="phoenixctl state doctor lists them",
                )
            return await self._put(held, title, lambda since: fold(written.kept, since).state)

    async def _put(self, held: Held, title: str, make: Callable[[Sequence[Event]], State]) -> State:
        from phoenixctl.store.catching_up import put_in_place
        from phoenixctl.store.closing import Desk

        desk = Desk(self._backing, held, self._clock)
        return await put_in_place(desk, self._reader, make, title=title, by=operator())

    async def trace(self) -> Trace | None:
        """Lineage and latest serial of a record, also of one that is damaged or missing."""
        return await self._reader.trace(await self._backing.state())

    async def backups(self) -> tuple[Backup, ...]:
        """The state files that are kept, the latest first."""
        return tuple([await self._reader.backup(n) for n in await self._backing.backups()])

    async def pull(self) -> bytes:
        """The record as it is now, in the form of a state file."""
        from phoenixctl.store.document import write_document

        return write_document((await self._reader.read()).folded(self._fleet), at="")

    async def doctor(self) -> tuple[Check, ...]:
        """What is good and bad about state file, backups, journal, lock and audit log."""
        from phoenixctl.store.examine import examine

        return await examine(self._backing, self._reader, self._fleet)

    def prepare(self) -> None:
        """Make sure that records can be kept; PhoenixError before anything is done, if not."""
        self._backing.prepare()

    def audit(self, operation: str, outcome: str, **facts: object) -> None:
        """Add a line to the audit log. `facts` must hold no secrets."""
        line = {
            "format": AUDIT_FORMAT,
            "at": self._clock.utc(),
            "by": operator(),
            "operation": operation,
            "outcome": outcome,
            **facts,
        }
        self._backing.audit(json.dumps(line).encode())

    def leases(self) -> Mapping[AgentId, float]:
        book = self._book()
        return {} if book is None else book.left()

    def permitting(self, agents: Iterable[AgentId]) -> None:
        if (book := self._book()) is not None:
            book.opened(agents)

    def permitted(self, seconds: Mapping[AgentId, float]) -> None:
        if (book := self._book()) is not None:
            book.closed(seconds)

    def renewing(self, seconds: Mapping[AgentId, float]) -> None:
        if (book := self._book()) is not None:
            book.extended(seconds)

    def availability(self) -> Mapping[NodeName, float]:
        return self._sightings.availability()

    def sighted(self, answered: Mapping[NodeName, bool], *, epoch: float) -> None:
        self._sightings.add(answered, epoch=epoch)
