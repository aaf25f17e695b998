"""One step: framed by lines in the journal, its outcome told, what it changed recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from phoenixctl.model.errors import OutcomeUnknown, PhoenixError
from phoenixctl.model.plan import Step
from phoenixctl.model.state import NO_CHANGE, Patch
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.records import Operation
from phoenixctl.workflows.means import Watcher
from phoenixctl.workflows.report import StepOutcome, StepResult
from phoenixctl.workflows.work import Trail

Act = Callable[[Trail], Awaitable[str]]
"""Does the step of a trail and says in a few words how it went."""

CUT_OFF: Final = "interrupted"

Also = Callable[[StepResult, Patch], Patch]
"""What else is recorded with a step's end; it gets what the step itself has changed."""


class Carrier:
    """Does steps, one by one or side by side; their results come into `results`, by key."""

    def __init__(
        self, operation: Operation, act: Act, clock: Clock, watcher: Watcher, also: Also
    ) -> None:
        self._operation = operation
        self._act = act
        self._clock = clock
        self._watcher = watcher
        self._also = also
        self.results: dict[str, StepResult] = {}

    async def do(self, step: Step) -> None:
        """Begin the step, do it, end it; a cancelled one has an unknown end."""
        trail = Trail(step, self._operation.id, partial(self._operation.note, step))
        start = self._clock.monotonic()
        try:
            await self._operation.begin(step)
            self._tell(step, None)
            result = await attempt(self._act, trail, self._clock)
        except asyncio.CancelledError:
            seconds = self._clock.monotonic() - start
            await self._end(StepResult(step, StepOutcome.UNKNOWN, CUT_OFF, seconds), trail)
            raise
        await self._end(result, trail)

    async def skip(self, step: Step, why: str) -> None:
        """Record that it was not done."""
        await self._end(StepResult(step, StepOutcome.SKIPPED, why, 0.0), None)

    async def _end(self, result: StepResult, trail: Trail | None) -> None:
        patch = self._also(result, trail.patch if trail else NO_CHANGE)
        self.results[result.step.key] = result
        await self._operation.end(
            result.step, outcome=result.outcome, detail=result.detail, patch=patch
        )
        self._tell(result.step, result)

    def _tell(self, step: Step, result: StepResult | None) -> None:
        if self._watcher.on_step is not None:
            self._watcher.on_step(step, result)


async def attempt(act: Act, trail: Trail, clock: Clock) -> StepResult:
    """The result of doing the trail's step. What nobody has foreseen leaves its outcome unknown."""
    start = clock.monotonic()

    def result(outcome: StepOutcome, detail: str, error: PhoenixError | None) -> StepResult:
        return StepResult(trail.step, outcome, detail, clock.monotonic() - start, error)

    try:
        return result(StepOutcome.OK, await act(trail), None)
    except OutcomeUnknown as error:
        return result(StepOutcome.UNKNOWN, str(error), error)
    except PhoenixError as error:
        return result(StepOutcome.FAILED, str(error), error)
    except Exception as error:
        defect = OutcomeUnknown(
            f"{trail.step.key}: unexpected {type(error).__name__}: {error}",
            hint="this is a defect; please report it with the output of -vvv",
        )
        defect.__cause__ = error
        return result(StepOutcome.UNKNOWN, str(defect), defect)
