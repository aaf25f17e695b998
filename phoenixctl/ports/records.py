"""What the operator's side keeps between runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Plan, Step
from phoenixctl.model.state import NO_CHANGE, Patch, State


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A step that was begun and has no known end: its run was killed, or an answer was lost."""

    operation: str  # id of the operation that began it
    title: str
    step: Step
    notes: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a fleet's lock. Times are RFC 3339; `live` is False for one that is surely gone."""

    by: str
    host: str
    pid: int
    operation: str
    since: str
    renewed: str
    live: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished operation as the audit log has it. Times are RFC 3339.

    It was finished `at`; `begun` is when its plan was opened, empty where an earlier version wrote.
    """

    id: str
    title: str
    by: str
    at: str
    outcome: str  # ok, some failed, failed, interrupted
    steps: int
    failures: int
    begun: str = ""


@dataclass(frozen=True, slots=True)
class StepEnd:
    key: str
    outcome: str  # ok, failed, unknown, skipped
    detail: str


@dataclass(frozen=True, slots=True)
class PastOperation:
    """One operation whole: its plan, and what became of each step."""

    entry: Entry
    plan: Plan
    ends: tuple[StepEnd, ...]
    specs: Mapping[str, Any]  # AgentSpec by digest, of every step's agent before and after


class Operation(Protocol):
    """One change to a fleet, under its lock. What is written is safe when the call returns."""

    @property
    def id(self) -> str:
        """The serial that this operation has, as text; `history show` and `rollback` take it."""
        ...

    @property
    def state(self) -> State:
        """The record, with everything that this operation has changed so far."""
        ...

    @property
    def unfinished(self) -> Sequence[Unfinished]:
        """What earlier operations have left without an end, oldest first."""
        ...

    async def open(self, plan: Plan, patch: Patch = NO_CHANGE) -> None:
        """Keep the plan that is now carried out; the serial grows."""
        ...

    async def begin(self, step: Step) -> None: ...

    async def note(self, step: Step, facts: Mapping[str, str]) -> None: ...

    async def end(
        self, step: Step, *, outcome: str, detail: str, patch: Patch = NO_CHANGE
    ) -> None: ...

    async def settle(
        self, unfinished: Unfinished, *, outcome: str, detail: str, patch: Patch = NO_CHANGE
    ) -> None:
        """Give a step of an earlier operation its end."""
        ...


class Records(Protocol):
    """State, lock, journal, audit log and sightings of one fleet."""

    def changing(
        self,
        title: str,
        *,
        wait_seconds: float = 0.0,
        on_wait: Callable[[Holder], None] | None = None,
    ) -> AbstractAsyncContextManager[Operation]:
        """Hold the fleet's lock for one operation; leaving it writes the state and the audit log.

        Locked when another holds it still after `wait_seconds`, naming holder, host, pid and
        operation. StateDamaged when the record cannot be read; it is never taken for empty.
        """
        ...

    async def read(self) -> State:
        """The record as it is now, without the lock; a new one when there was none.

        A fleet without a record gets its lineage when it is first changed; until then it is
        empty and its serial 0.
        """
        ...

    async def unfinished(self) -> Sequence[Unfinished]:
        """Steps without an end, oldest first, without the lock: those of a run that still goes on
        are among them."""
        ...

    async def history(self) -> Sequence[Entry]:
        """Finished operations, the latest first."""
        ...

    async def past(self, operation: str) -> PastOperation:
        """One operation; UsageError when there is none with that id."""
        ...

    async def holder(self) -> Holder | None: ...

    async def break_lock(self) -> Holder | None:
        """Take the lock away from a holder that is gone; Locked while it is alive."""
        ...

    async def replace_state(self, state: State, *, title: str) -> None:
        """Put a rebuilt record in the place of the one there is, which is kept as a backup."""
        ...

    def availability(self) -> Mapping[NodeName, float]:
        """Answered observations / all observations of the last 24 hours, where there are any."""
        ...

    def leases(self) -> Mapping[AgentId, float]:
        """For how many seconds singletons are permitted to run at most, below 0 when that is over;
        of those of which it is certain. It is not where several machines give permissions."""
        ...

    def permitting(self, agents: Iterable[AgentId]) -> None:
        """They are about to be permitted something; until `permitted`, its end is not known.
        PhoenixError when that cannot be kept: then nothing may be permitted."""
        ...

    def permitted(self, seconds: Mapping[AgentId, float]) -> None:
        """What they were permitted lasts for so long from now, at most."""
        ...

    def renewing(self, seconds: Mapping[AgentId, float]) -> None:
        """What they are permitted is about to last for so long from now, at most. PhoenixError when
        that cannot be kept."""
        ...

    def sighted(self, answered: Mapping[NodeName, bool], *, epoch: float) -> None:
        """Keep that these nodes did or did not answer."""
        ...
