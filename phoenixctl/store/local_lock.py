"""The fleet's lock on the operator's machine: held by flock, so that the kernel frees it when its
process is gone, however it went. What is in the file only says who it is."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from phoenixctl.ports.clock import Clock
from phoenixctl.ports.records import Holder
from phoenixctl.store.backing import OnWait
from phoenixctl.store.disk import make_private
from phoenixctl.store.holding import (
    SOMEBODY,
    Waiting,
    holder_content,
    locked_by,
    parse_holder,
    this_process,
)

_POLL_SECONDS: Final = 0.05
# Who looks at the lock has it for an instant: one refusal proves nothing.
_ATTEMPTS: Final = 4
_INSTANT: Final = 0.01


class LocalLock:
    """The lock file of one fleet."""

    def __init__(self, path: Path, clock: Clock, *, renew_seconds: float) -> None:
        self._path = path
        self._clock = clock
        self._renew_seconds = renew_seconds

    @asynccontextmanager
    async def held(
        self, title: str, *, wait_seconds: float, on_wait: OnWait | None
    ) -> AsyncIterator[None]:
        """Hold it; Locked when another has it still after `wait_seconds`."""
        make_private(self._path.parent)
        descriptor = await self._taken(wait_seconds, Waiting(on_wait))
        try:
            holder = this_process(title, self._clock)
            _say(descriptor, holder)
            renewing = asyncio.create_task(self._renew(descriptor, holder))
            try:
                yield
            finally:
                renewing.cancel()
                os.ftruncate(descriptor, 0)  # before the lock is free, or it would name us still
        finally:
            os.close(descriptor)

    def holder(self) -> Holder | None:
        """Who has it, or had it last and is gone without letting go."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return parse_holder(_said(descriptor), live=True) or SOMEBODY
            return parse_holder(_said(descriptor), live=False)
        finally:
            os.close(descriptor)

    async def break_lock(self) -> Holder | None:
        """Wipe out who is gone; Locked while it lives: flock cannot be taken from a process."""
        if not self._path.exists():
            return None
        descriptor = await self._attempt()
        if descriptor is None:
            holder = self.holder() or SOMEBODY
            raise locked_by(holder, hint=f"it lives; end the process first: kill {holder.pid}")
        try:
            gone = parse_holder(_said(descriptor), live=False)
            os.ftruncate(descriptor, 0)
            return gone
        finally:
            os.close(descriptor)

    async def _taken(self, wait_seconds: float, waiting: Waiting) -> int:
        deadline = self._clock.monotonic() + wait_seconds
        while (descriptor := await self._attempt()) is None:
            holder = self.holder() or SOMEBODY
            if self._clock.monotonic() >= deadline:
                raise locked_by(
                    holder, hint="try again when it has finished, or wait for it: --lock-wait 10m"
                )
            waiting.on(holder)
            await asyncio.sleep(_POLL_SECONDS)
        return descriptor

    async def _attempt(self) -> int | None:
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_INSTANT)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            if self._is_at_its_place(descriptor):
                return descriptor
            os.close(descriptor)
        return None

    def _is_at_its_place(self, descriptor: int) -> bool:
        """Whether nobody has removed the file: another one may be held by another process."""
        try:
            return os.path.samestat(os.fstat(descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    async def _renew(self, descriptor: int, holder: Holder) -> None:
        while True:
            await asyncio.sleep(self._renew_seconds)
            _say(descriptor, replace(holder, renewed=self._clock.utc()))


def _say(descriptor: int, holder: Holder) -> None:
    content = json.dumps(holder_content(holder)).encode() + b"\n"
    # Written over and then cut: a reader finds a name at any moment.
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))


def _said(descriptor: int) -> bytes:
    return os.pread(descriptor, 65536, 0).partition(b"\n")[0]
