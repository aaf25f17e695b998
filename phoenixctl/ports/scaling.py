"""What autoscaling keeps between its runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Outcome(StrEnum):
    """What became of a decision."""

    NOTHING = "nothing"  # the pool is as large as it shall be, or it was held back
    OBSERVED = "observed"  # it would have been done
    BEGUN = "begun"  # it is being done, or whoever did it was killed
    DONE = "done"
    FAILED = "failed"  # in part, or as a whole
    REFUSED = "refused"  # a guard forbids it, or what runs there has no other place
    CUT_OFF = "cut off"  # whoever was to do it was killed before anything was done


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One decision about one pool, with what it was made of.

    `wanted` nodes were decided, `current` there were or were coming; `detail` says more of the
    outcome, `operation` is where the history has it. `explain` is the decision as a document: what
    was seen, each policy's vote, what resolved them, what would have changed it.
    """

    id: str
    pool: str
    at: float  # seconds since 1970
    by: str
    direction: str
    current: int
    wanted: int
    outcome: Outcome
    detail: str = ""
    operation: str = ""
    explain: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @property
    def event(self) -> bool:
        """Whether anything was to be done."""
        return self.wanted != self.current or self.outcome is not Outcome.NOTHING


@dataclass(frozen=True, slots=True)
class Arrival:
    """A node on its way into its pool, since it was first known of; `ready` when it was there.

    Times are in seconds since 1970.
    """

    pool: str
    node: str
    begun: float
    ready: float | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """An event that somebody has told of: a hook, a script, a person."""

    name: str
    at: float
    by: str
    data: str = ""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a run goes on from. `memory`: by pool, as documents; `arrivals`: the latest last;
    `begun`: decisions without an end, with the memory that they would have led to."""

    memory: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: _NOTHING)
    arrivals: tuple[Arrival, ...] = ()
    events: tuple[Received, ...] = ()
    begun: tuple[tuple[Evaluated, Mapping[str, Any]], ...] = ()


class ScalingStore(Protocol):
    """Keeps what autoscaling of one fleet remembers, on the operator's machine.

    What is written is safe when the call returns; each call does all or nothing. StateDamaged when
    it cannot be read.
    """

    def held(self, title: str, *, wait_seconds: float) -> AbstractAsyncContextManager[None]:
        """Be the only one who evaluates; Locked when another does."""
        ...

    def recall(self, *, since: float) -> Remembered:
        """Events from `since` on; empty when nothing was kept yet."""
        ...

    def keep(
        self,
        decisions: Iterable[tuple[Evaluated, Mapping[str, Any]]],
        arrivals: Iterable[Arrival] = (),
    ) -> None:
        """Keep decisions, each with the memory after it, which counts at once unless the decision
        has only begun; and nodes that are coming or have come."""
        ...

    def end(self, decision: Evaluated, memory: Mapping[str, Any] | None) -> None:
        """Give one that has begun its end. The memory counts from now on; None: what was before."""
        ...

    def history(
        self, *, limit: int, pool: str | None = None, events: bool = False
    ) -> Sequence[Evaluated]:
        """The latest first; with `events` only those in which something was to be done."""
        ...

    def find(self, decision: str) -> Evaluated | None: ...

    def receive(self, event: Received) -> None: ...

    def close(self) -> None: ...
