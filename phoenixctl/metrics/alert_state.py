"""What an evaluation leaves for the next one: where each subject stands with each rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from phoenixctl.model.alerting import Status


class Phase(StrEnum):
    IDLE = "idle"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True)
class Hold:
    """Where one level is: since when in its phase, and, firing, since when the value is clear."""

    phase: Phase = Phase.IDLE
    since: float = 0.0
    clear_since: float | None = None


IDLE: Final = Hold()


@dataclass(frozen=True, slots=True)
class Standing:
    """One subject and one rule. `holds` by the level's key; what is not there is idle.

    `at` is the time of the last value that counted, of every later one is still to be asked.
    `silent_since` is set while there is no data: then its levels stay as they were.
    """

    at: float
    value: float | None = None
    holds: Mapping[str, Hold] = field(default_factory=lambda: MappingProxyType({}))
    silent_since: float | None = None

    @property
    def status(self) -> Status:
        if self.silent_since is not None:
            return Status.NO_DATA
        firing = [Status(severity_of(k)) for k, h in self.holds.items() if h.phase is Phase.FIRING]
        if firing:
            return Status.CRITICAL if Status.CRITICAL in firing else Status.WARNING
        pending = any(hold.phase is Phase.PENDING for hold in self.holds.values())
        return Status.PENDING if pending else Status.OK

    @property
    def since(self) -> float | None:
        """When its status began; None for OK."""
        status = self.status
        if status is Status.NO_DATA:
            return self.silent_since
        phase = Phase.PENDING if status is Status.PENDING else Phase.FIRING
        begun = [
            hold.since
            for key, hold in self.holds.items()
            if hold.phase is phase and (phase is Phase.PENDING or severity_of(key) == status.value)
        ]
        return min(begun, default=None)


def severity_of(key: str) -> str:
    """Of a level's key, `critical` or `critical 3600`."""
    return key.partition(" ")[0]


Standings: TypeAlias = Mapping[tuple[str, str], Standing]  # by rule and subject


def step(
    hold: Hold, *, over: bool, clear: bool, at: float, for_seconds: float, keep_seconds: float
) -> Hold:
    """A level after one value. Between its clear level and itself what fires goes on firing."""
    if hold.phase is Phase.FIRING:
        if not clear:
            return hold if hold.clear_since is None else Hold(Phase.FIRING, hold.since)
        since = at if hold.clear_since is None else hold.clear_since
        return IDLE if at - since >= keep_seconds else Hold(Phase.FIRING, hold.since, since)
    if not over:
        return IDLE
    since = hold.since if hold.phase is Phase.PENDING else at
    if at - since >= for_seconds:
        return Hold(Phase.FIRING, at)
    return Hold(Phase.PENDING, since)
