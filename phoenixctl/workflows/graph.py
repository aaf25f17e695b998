"""Steps in the order of their dependencies: independent ones side by side, the earlier first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from phoenixctl.model.plan import Step
from phoenixctl.workflows.report import StepOutcome, StepResult
from phoenixctl.workflows.together import together

Do = Callable[[Step], Awaitable[None]]
Skip = Callable[[Step, str], Awaitable[None]]
"""Both put the step's result to the others; the text says why it is skipped."""

NOT_BEGUN: Final = "interrupted before it began"
_END: Final = -1


@dataclass(slots=True)
class Graph:
    """A plan's steps while they are done; `results` grows by those that have ended.

    ValueError when steps wait for each other. What a step waits for and is not in the plan counts
    as done.
    """

    steps: Sequence[Step]
    results: dict[str, StepResult]
    _waits: dict[str, int] = field(default_factory=dict)
    _dependents: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        keys = {step.key for step in self.steps}
        for number, step in enumerate(self.steps):
            before = {key for key in step.after if key in keys}
            self._waits[step.key] = len(before)
            for key in before:
                self._dependents.setdefault(key, []).append(number)
        self._refuse_circles()

    async def run(self, do: Do, skip: Skip, *, parallel: int, stopping: Callable[[], bool]) -> None:
        """Do all steps, `parallel` at a time, and skip those for which something did not succeed.

        Once `stopping` is true no step is begun any more. Cancelling it cancels what is under way
        and waits for it; so does an error of `do` or `skip`.
        """
        if not self.steps:
            return
        ready: asyncio.PriorityQueue[int] = asyncio.PriorityQueue()
        for number, step in enumerate(self.steps):
            if not self._waits[step.key]:
                ready.put_nowait(number)

        workers = min(parallel, len(self.steps))

        async def work() -> None:
            while (number := await ready.get()) != _END:
                step = self.steps[number]
                why = self._why_not(step, stopping=stopping())
                await (skip(step, why) if why else do(step))
                for dependent in self._released(step):
                    ready.put_nowait(dependent)
                if len(self.results) == len(self.steps):
                    for _ in range(workers):
                        ready.put_nowait(_END)

        await together(work() for _ in range(workers))

    def _why_not(self, step: Step, *, stopping: bool) -> str:
        for key in step.after:
            if key in self.results and self.results[key].outcome is not StepOutcome.OK:
                return f"{key} did not succeed"
        return NOT_BEGUN if stopping else ""

    def _released(self, step: Step) -> list[int]:
        """The steps that have waited for this one only."""
        released = []
        for number in self._dependents.get(step.key, ()):
            key = self.steps[number].key
            self._waits[key] -= 1
            if not self._waits[key]:
                released.append(number)
        return released

    def _refuse_circles(self) -> None:
        waits = dict(self._waits)
        free = [step.key for step in self.steps if not waits[step.key]]
        for key in free:
            for number in self._dependents.get(key, ()):
                dependent = self.steps[number].key
                waits[dependent] -= 1
                if not waits[dependent]:
                    free.append(dependent)
        if len(free) < len(self.steps):
            circle = sorted(key for key, count in waits.items() if count)
            raise ValueError(f"steps wait for each other: {', '.join(circle)}")
