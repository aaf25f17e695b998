"""What came of an evaluation: how things stand, and who was told of it."""

from __future__ import annotations

from dataclasses import dataclass

from phoenixctl.metrics.alert_notices import Notice
from phoenixctl.metrics.alerting import Evaluation
from phoenixctl.model.alerting import Silence
from phoenixctl.model.errors import PhoenixError


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one notice; `error` None: it was taken."""

    notice: Notice
    error: PhoenixError | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """An evaluation with what was sent, or (of a dry run) would have been."""

    now: float
    evaluation: Evaluation
    silences: tuple[Silence, ...] = ()
    told: tuple[Told, ...] = ()

    @property
    def failed(self) -> bool:
        return any(told.error is not None for told in self.told)
