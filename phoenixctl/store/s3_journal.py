"""Journals in a bucket: `journal/<operation>/<number>.json`, written one after the other.

Each object is made only if it is not there yet. So a run that lost its lock and does not know it
cannot go on: whoever took the lock over has put a seal where its next object would be.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from phoenixctl.store.events import Event, Line, event_content, line_of
from phoenixctl.store.s3_lease import Lease
from phoenixctl.store.s3_objects import Changed, Objects

FOLDER: Final = "journal/"
FORMAT: Final = 1
_WIDTH: Final = 6


def name_of(operation: str, number: int) -> str:
    return f"{FOLDER}{operation}/{number:0{_WIDTH}}.json"


async def journals(objects: Objects) -> Mapping[int, list[str]]:
    """Names of the objects of each operation, both in order."""
    found: dict[int, list[str]] = defaultdict(list)
    for name in await asyncio.to_thread(objects.names, FOLDER):
        operation, _, number = name.removeprefix(FOLDER).partition("/")
        if operation.isdecimal() and number.removesuffix(".json").isdecimal():
            found[int(operation)].append(name)
    return {operation: sorted(found[operation], key=_number) for operation in sorted(found)}


async def read_journal(objects: Objects, names: Sequence[str]) -> tuple[list[Line], int]:
    """Their lines in order, and how many cannot be read. What is gone meanwhile has none."""
    bodies = await asyncio.gather(*(asyncio.to_thread(objects.get, name) for name in names))
    lines: list[Line] = []
    lost = 0
    for found in bodies:
        content = _content(found.body) if found else {"lines": []}
        for one in content.get("lines", [None]):
            line = line_of(one)
            if line is None:
                lost += 1
            else:
                lines.append(line)
    return lines, lost


def _content(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _number(name: str) -> int:
    return int(name.rpartition("/")[2].removesuffix(".json"))


class JournalWriter:
    """Adds to journals while a lease lasts."""

    def __init__(self, objects: Objects, lease: Lease) -> None:
        self._objects = objects
        self._lease = lease
        self._next: dict[str, int] = {}
        self._confirmed: set[str] = set()
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._writing = asyncio.Lock()

    async def append(self, event: Event) -> None:
        """On return it is in the store. Events that wait for the same moment share one object."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, done))
        async with self._writing:
            if not done.done():
                await self._flush()
        await done

    def wrote(self, operation: str) -> bool:
        """Whether the operation is of this holding."""
        return operation in self._next

    async def seal(self, operation: str) -> None:
        """Put an end to a journal that has none yet."""
        while True:
            names = (await journals(self._objects)).get(int(operation), [])
            if not names or await self.is_ended(names[-1]):
                return
            number = _number(names[-1]) + 1
            try:
                self._lease.check()
                body = self._body([], seal=True)
                await asyncio.to_thread(self._objects.put_new, name_of(operation, number), body)
                return
            except Changed:
                continue  # the other run was quicker by one object: it counts

    async def is_ended(self, name: str) -> bool:
        """Whether this object, the last of its journal, closes or seals it."""
        found = await asyncio.to_thread(self._objects.get, name)
        content = _content(found.body) if found else {}
        closed = any((line_of(one) or _NONE).kind == "close" for one in content.get("lines", []))
        return closed or content.get("seal") is True

    async def _flush(self) -> None:
        batch, self._waiting = self._waiting, []
        # One run of the program has one operation at a time; what closes others is no event here.
        operation = batch[0][0].operation
        try:
            await self._put(operation, [event for event, _ in batch])
        except BaseException as error:
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
                    done.exception()  # looked at: who waits gets it too
            if not isinstance(error, Exception):
                raise
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)

    async def _put(self, operation: str, events: Sequence[Event]) -> None:
        number = self._next.get(operation)
        if number is None:
            names = (await journals(self._objects)).get(int(operation), [])
            number = _number(names[-1]) + 1 if names else 0
        while True:
            self._lease.check()
            name = name_of(operation, number)
            self._next[operation] = number
            try:
                await asyncio.to_thread(self._objects.put_new, name, self._body(events))
                self._next[operation] = number + 1
                break
            except Changed:
                found = await asyncio.to_thread(self._objects.get, name)
                if found is None or _content(found.body).get("holder") != self._lease.nonce:
                    raise self._lease.gone("another run goes on from its journal") from None
            number += 1  # an earlier write of ours has arrived, though its answer did not
        if operation not in self._confirmed:
            # Who was frozen just before this may find no seal here any more, but another holder.
            await self._lease.confirm()
            self._confirmed.add(operation)

    def _body(self, events: Sequence[Event], *, seal: bool = False) -> bytes:
        content = {
            "format": FORMAT,
            "nonce": os.urandom(16).hex(),
            "holder": self._lease.nonce,
            "seal": seal,
            "lines": [event_content(event) for event in events],
        }
        return json.dumps(content).encode() + b"\n"


_NONE: Final = Line(0, "", {})
