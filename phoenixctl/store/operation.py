"""One change to a fleet, in any store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from phoenixctl.model.plan import Plan, Step
from phoenixctl.model.state import NO_CHANGE, Patch, State, patched
from phoenixctl.ports.records import Unfinished
from phoenixctl.store import events
from phoenixctl.store.closing import Desk, close_operation
from phoenixctl.store.events import Begun, Ended, Event, Noted, Opened, Settled
from phoenixctl.store.folding import Kept, fold, joined


class StoredOperation:
    """Implements ports.records.Operation."""

    def __init__(self, desk: Desk, before: Kept, *, title: str, by: str) -> None:
        self._desk = desk
        self._before = before
        self._title = title
        self._by = by
        self._id = str(before.state.serial + 1)
        self._events: list[Event] = []
        self._begun: set[str] = set()
        self._state = before.state
        self._patches: list[Patch] = []  # not in `_state` yet
        self._writing: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Lock()
        self._opened_once = False

    @property
    def id(self) -> str:
        return self._id

    @property
    def state(self) -> State:
        if self._patches:
            self._state = patched(self._state, joined(self._patches))
            self._patches.clear()
        return self._state

    @property
    def unfinished(self) -> tuple[Unfinished, ...]:
        of_earlier = [
            event
            for event in self._events
            if isinstance(event, Settled) or (isinstance(event, Noted) and event.of)
        ]
        return fold(self._before, of_earlier).unfinished

    async def open(self, plan: Plan, patch: Patch = NO_CHANGE) -> None:
        await self._write(self._opened(plan, patch))

    async def begin(self, step: Step) -> None:
        await self._write(Begun(self._id, self._now(), step))
        self._begun.add(step.key)

    async def note(self, step: Step, facts: Mapping[str, str]) -> None:
        """Of a step that this operation has begun, or of one that an earlier one has left."""
        of = "" if step.key in self._begun else self._begun_by(step)
        await self._write(Noted(self._id, self._now(), step.key, dict(facts), of))

    async def end(self, step: Step, *, outcome: str, detail: str, patch: Patch = NO_CHANGE) -> None:
        await self._write(Ended(self._id, self._now(), step.key, outcome, detail, patch))

    async def settle(
        self, unfinished: Unfinished, *, outcome: str, detail: str, patch: Patch = NO_CHANGE
    ) -> None:
        of, key = unfinished.operation, unfinished.step.key
        await self._write(Settled(self._id, self._now(), of, key, outcome, detail, patch))

    async def close(self, outcome: str | None = None) -> None:
        """Write state and audit log. An operation that has changed nothing leaves no trace."""
        await asyncio.gather(*self._writing, return_exceptions=True)
        if self._events:
            await close_operation(self._desk, self._before, self._events, outcome=outcome)

    def _opened(self, plan: Plan, patch: Patch = NO_CHANGE) -> Opened:
        return Opened(
            self._id,
            self._now(),
            self._title,
            self._by,
            self._before.state.lineage,
            plan,
            patch,
            events.FORMAT,
        )

    def _now(self) -> str:
        return self._desk.clock.utc()

    def _begun_by(self, step: Step) -> str:
        return next((u.operation for u in self.unfinished if u.step.key == step.key), "")

    async def _write(self, event: Event) -> None:
        """A caller that is cancelled does not stop the writing: what is on the disk and what we
        know of it would part."""
        task = asyncio.create_task(self._record(event))
        self._writing.add(task)
        task.add_done_callback(self._written)
        await asyncio.shield(task)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, though a cancelled caller cannot be told of it

    async def _record(self, event: Event) -> None:
        async with self._opening:
            if not self._opened_once:
                await self._take_place()
                if not isinstance(event, Opened):
                    await self._append(self._opened(Plan("", ())))
                self._opened_once = True
        await self._append(event)

    async def _take_place(self) -> None:
        # Whoever held the lock before, and does not know yet that it was lost, has seen another
        # state file and can write none any more.
        await self._desk.held.write_state(self._desk.document(self._before))
        self._state = replace(self._state, serial=self._before.state.serial + 1)

    async def _append(self, event: Event) -> None:
        await self._desk.held.append(event)
        self._events.append(event)
        patch = getattr(event, "patch", NO_CHANGE)
        if patch is not NO_CHANGE:
            self._patches.append(patch)
