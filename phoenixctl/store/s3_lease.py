"""The fleet's lock in a bucket: an object that its holder renews while it lives.

lock.json has a nonce (of one holding), a serial (of one writing), who holds it, and for how long
it is good. Whoever wants it and sees it unchanged for so long, by a clock of its own, takes it
over; clocks of two machines are never compared.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from phoenixctl.model.errors import Locked, PhoenixError
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.records import Holder
from phoenixctl.store.holding import (
    SOMEBODY,
    Waiting,
    holder_content,
    locked_by,
    read_holder,
    this_process,
)
from phoenixctl.store.machine import is_gone, started, this_machine
from phoenixctl.store.s3_objects import Changed, Found, Objects

NAME: Final = "lock.json"
FORMAT: Final = 1
# The holder stops before others may begin.
_OWN_SHARE: Final = 0.9
_RENEWALS: Final = 3  # in the time of a lease
_TRIES: Final = 20  # in the same time, when there is no answer


@dataclass(frozen=True, slots=True)
class Lock:
    """What lock.json says. `fence`: who held it before was not seen to let go."""

    holder: Holder
    free: bool = False
    fence: bool = False
    serial: int = 0
    nonce: str = ""
    lease_seconds: float = 0.0


def read_lock(body: bytes) -> Lock:
    """Rubbish is a lock of somebody, with no lease of its own."""
    try:
        content: Mapping[str, Any] = MappingProxyType(json.loads(body))
        gone = is_gone(str(content["machine"]), int(content["pid"]), str(content["started"]))
        return Lock(
            read_holder(content, live=not gone),
            bool(content["free"]),
            bool(content["fence"]),
            int(content["serial"]),
            str(content["nonce"]),
            float(content["lease_seconds"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return Lock(SOMEBODY)


class Lease:
    """One holding of the lock."""

    def __init__(self, objects: Objects, clock: Clock, *, title: str, seconds: float) -> None:
        self._objects = objects
        self._clock = clock
        self._seconds = seconds
        self._holder = this_process(title, clock)
        self.nonce = os.urandom(16).hex()
        self.taken_over = False
        self._serial = 0
        self._etag = ""
        self._until = 0.0
        self._lost = ""
        self._over = asyncio.Event()
        self._writing = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    async def acquire(self, *, wait_seconds: float, waiting: Waiting, watch: bool = False) -> None:
        """Take the lock; Locked when another holds it still after `wait_seconds`.

        One that looks left behind, by the store's own clock, or with `watch` any, is watched for
        as long as its lease lasts, also beyond `wait_seconds`.
        """
        deadline = self._clock.monotonic() + wait_seconds
        seen, since = "", 0.0
        while True:
            found = await asyncio.to_thread(self._objects.get, NAME)
            now = self._clock.monotonic()
            lock = read_lock(found.body) if found else None
            etag = found.etag if found else ""
            if etag != seen:
                # With `watch`, a sign of life while it was watched ends the matter.
                watch = watch and not seen
                seen, since = etag, now
            if await self._take(found, lock, unchanged_seconds=now - since):
                return
            if lock is None or lock.free or found is None:
                continue  # another was quicker: look again who it is
            if now >= deadline and not watch and not self._left_behind(found, lock):
                raise locked_by(lock.holder, hint=_hint(lock, self._seconds))
            waiting.on(lock.holder)
            await asyncio.sleep(min(1.0, self._seconds / 10))

    def check(self) -> None:
        """Locked when the lease ran out: from then on it may be another's."""
        if not self._lost and self._clock.monotonic() >= self._until:
            self._lost = "it could not be renewed in time"
        if self._lost:
            raise self.gone(self._lost)

    async def confirm(self) -> None:
        """Renew it now: nobody had it before this moment but us. Locked when somebody had."""
        while not await self._renew_once():
            self.check()
            await asyncio.sleep(self._seconds / _TRIES)
        self.check()

    def gone(self, why: str) -> Locked:
        """The lock is not ours any more; nothing more is written."""
        self._lost = why
        return Locked(
            f"the fleet's lock was lost: {why}",
            hint="see who has it, then run the command again: phoenixctl lock ls",
        )

    async def release(self, *, fence: bool) -> None:
        """Let go; `fence` when a holder before us may still wake up and was not kept out yet."""
        self._over.set()
        if self._renewing is not None:
            await asyncio.wait([self._renewing])
        if self._lost:
            return
        # What cannot be told to the store runs out by itself.
        with suppress(Changed, PhoenixError):
            body = self._body(free=True, fence=fence)
            await asyncio.to_thread(self._objects.put_over, NAME, body, self._etag)

    def _left_behind(self, found: Found, lock: Lock) -> bool:
        # Only whether to watch is told by a wall clock, the store's with itself, in whole seconds.
        return found.age_seconds is None or found.age_seconds > self._lease_of(lock) + 1

    def _lease_of(self, lock: Lock) -> float:
        return lock.lease_seconds or self._seconds

    async def _take(
        self, found: Found | None, lock: Lock | None, *, unchanged_seconds: float
    ) -> bool:
        """Take it if it may be taken; False when not, or when another was quicker."""
        over = False
        if lock is not None and not lock.free:
            over = not lock.holder.live or unchanged_seconds >= self._lease_of(lock)
            if not over:
                return False
        self._serial = lock.serial if lock else 0
        self.taken_over = over or (lock is not None and lock.fence)
        sent = self._clock.monotonic()
        body = self._body()
        try:
            if found is None:
                etag = await asyncio.to_thread(self._objects.put_new, NAME, body)
            else:
                etag = await asyncio.to_thread(self._objects.put_over, NAME, body, found.etag)
        except Changed:
            return False
        self._etag, self._until = etag, sent + self._seconds * _OWN_SHARE
        self._renewing = asyncio.create_task(self._renew())
        return True

    async def _renew(self) -> None:
        pause = self._seconds / _RENEWALS
        while not self._lost and not self._over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), pause)
                return
            renewed = await self._renew_once()
            pause = self._seconds / (_RENEWALS if renewed else _TRIES)

    async def _renew_once(self) -> bool:
        async with self._writing:
            sent = self._clock.monotonic()
            body = self._body()
            try:
                self._etag = await asyncio.to_thread(self._objects.put_over, NAME, body, self._etag)
            except PhoenixError:  # no answer: ask again while there is time
                with suppress(Locked):
                    self.check()
                return False
            except Changed:
                await self._find_out()
                return False
            self._until = sent + self._seconds * _OWN_SHARE
            return True

    async def _find_out(self) -> None:
        """Another has the lock, or a write of ours that we had given up has arrived after all."""
        with suppress(PhoenixError):
            found = await asyncio.to_thread(self._objects.get, NAME)
            lock = read_lock(found.body) if found else None
            if found is None or lock is None:
                self._lost = "somebody has removed it"
            elif lock.nonce == self.nonce:
                self._etag = found.etag
            else:
                self._lost = f"{lock.holder.by} has taken it over"

    def _body(self, *, free: bool = False, fence: bool = False) -> bytes:
        self._serial += 1  # no two bodies are alike, and so no two ETags
        self._holder = replace(self._holder, renewed=self._clock.utc())
        content = {
            "format": FORMAT,
            "nonce": self.nonce,
            "serial": self._serial,
            "free": free,
            "fence": fence or (not free and self.taken_over),
            "lease_seconds": self._seconds,
            "machine": this_machine(),
            "started": started(self._holder.pid),
            **holder_content(self._holder),
        }
        return json.dumps(content).encode() + b"\n"


def _hint(lock: Lock, seconds: float) -> str:
    lease = lock.lease_seconds or seconds
    return (
        "try again when it has finished, or wait for it: --lock-wait 10m; "
        f"if it is gone, the lock is free {lease:g} s after its last sign of life"
    )
