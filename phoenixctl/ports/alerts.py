"""What workflows need from where alerts are remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from phoenixctl.metrics.alert_notices import Deliveries, Delivery
from phoenixctl.metrics.alert_state import Standings
from phoenixctl.metrics.alerting import Transition
from phoenixctl.model.alerting import Silence


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier evaluations left; `evaluated_at` is None before the first."""

    standings: Standings = field(default_factory=lambda: MappingProxyType({}))
    deliveries: Deliveries = field(default_factory=lambda: MappingProxyType({}))
    silences: tuple[Silence, ...] = ()
    evaluated_at: float | None = None


class AlertStore(Protocol):
    """Remembers the alerts of one fleet, also when its process is killed at any moment.

    StateDamaged when what is kept cannot be read, Locked when another writer does not end.
    """

    def held(self, title: str, *, wait_seconds: float) -> AbstractAsyncContextManager[None]:
        """Be the only one that evaluates; Locked when another one still does after the wait."""
        ...

    def recall(self) -> Memory: ...

    def keep(
        self,
        standings: Standings,
        owing: Mapping[tuple[str, str], Delivery | None],
        transitions: Sequence[Transition],
        *,
        now: float,
    ) -> None:
        """An evaluation, whole or not at all. What receivers know is replaced where `owing` says
        something else (None: nothing more); it comes before anything is sent."""
        ...

    def note(self, receiver: str, group: str, delivery: Delivery | None) -> None:
        """What a receiver knows by now; None: nothing that is worth keeping."""
        ...

    def history(self, *, limit: int, since: float = 0.0) -> Sequence[Transition]:
        """What began, changed and ended, the latest first."""
        ...

    def silence(self, silence: Silence) -> None:
        """Keep a silence; one with the same id is replaced."""
        ...
