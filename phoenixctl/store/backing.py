"""What a store has to offer: where the pieces of one fleet's records are, and its lock.

The rules of records (what is written when, how it is read again) are in `records`, `operation` and
`closing`, once for all stores; a store only keeps bytes, and keeps others out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from phoenixctl.ports.records import Holder, PastOperation
from phoenixctl.store.events import Closed, Event, Line

KEPT_BACKUPS: Final = 10
KEPT_OPERATIONS: Final = 200

OnWait = Callable[[Holder], None]


class Backing(Protocol):
    """Reading, which needs no lock. Serials and ids are those of operations."""

    @property
    def where(self) -> str:
        """Where the state file is, for people."""
        ...

    async def state(self) -> bytes | None: ...

    async def version(self) -> str:
        """Another text whenever the state file has been written in between."""
        ...

    async def backups(self) -> Sequence[int]:
        """Serials of the state files that are kept, the latest first."""
        ...

    async def backup(self, serial: int) -> bytes | None: ...

    async def journal(self, after: int) -> tuple[Sequence[Line], int]:
        """Lines of the operations later than `after`, in the order written; and how many there are
        that cannot be read."""
        ...

    async def past(self, operation: str) -> bytes | None: ...

    async def audit_lines(self) -> Sequence[bytes]:
        """At least the latest lines about operations, oldest first; others may be among them."""
        ...

    async def is_audited(self, operation: str) -> bool: ...

    async def holder(self) -> Holder | None: ...

    async def break_lock(self) -> Holder | None:
        """Free the lock of a holder that is gone; Locked while it lives."""
        ...

    def held(
        self, title: str, *, wait_seconds: float, on_wait: OnWait | None
    ) -> AbstractAsyncContextManager[Held]:
        """Take the lock; Locked when another has it still after `wait_seconds`."""
        ...

    def prepare(self) -> None:
        """Make sure that records can be kept; PhoenixError if not."""
        ...

    def audit(self, line: bytes) -> None:
        """Keep a line about something that is no operation."""
        ...


class Held(Protocol):
    """Writing, while the lock is ours: each piece is safe, whole or not at all, when its call
    returns. Locked when the lock was lost in the meantime: nothing was written then."""

    @property
    def taken_over(self) -> bool:
        """Whether the holder before was not seen to let go: it may wake up again."""
        ...

    async def state(self) -> bytes | None: ...

    async def write_state(self, content: bytes) -> None:
        """Locked when another has written it since `state` was called."""
        ...

    async def write_backup(self, serial: int, content: bytes) -> None:
        """Keep it, and of all backups the latest ones."""
        ...

    async def set_aside(self, content: bytes) -> str:
        """Keep a state file that cannot be read; says where."""
        ...

    async def append(self, event: Event) -> None:
        """A line more in the journal of an operation."""
        ...

    async def seal(self, operation: str) -> None:
        """From now on a run that had this operation before us can add nothing to its journal."""
        ...

    async def half_closed(self, serial: int) -> Sequence[str]:
        """Operations up to `serial` that were not retired, oldest first."""
        ...

    async def retire(self, closed: Closed) -> None:
        """The journal of this operation is not needed any more."""
        ...

    async def write_past(self, past: PastOperation) -> None:
        """Keep it, and of all past operations the latest ones."""
        ...

    async def audit(self, past: PastOperation) -> None: ...
