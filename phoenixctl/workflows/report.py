"""What became of a plan: a result for each step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from phoenixctl.model.errors import ExitCode, PhoenixError
from phoenixctl.model.outcome import gravest
from phoenixctl.model.plan import Plan, Step


class StepOutcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"  # sent, and its end was not seen
    SKIPPED = "skipped"  # what it waits for did not succeed, or the run was interrupted before


@dataclass(frozen=True, slots=True)
class StepResult:
    step: Step
    outcome: StepOutcome
    detail: str
    seconds: float
    error: PhoenixError | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of each step, in the plan's order.

    `operation` is its id in the history, empty when nothing was begun; `recovered` are steps of
    earlier runs that were finished before; `interrupted` when somebody ended it before its end.
    """

    plan: Plan
    results: tuple[StepResult, ...]
    operation: str = ""
    recovered: tuple[StepResult, ...] = ()
    interrupted: bool = False

    @property
    def exit_code(self) -> ExitCode:
        if self.interrupted:
            return ExitCode.INTERRUPTED
        return gravest(r.error.exit_code for r in self.results if r.error is not None)
