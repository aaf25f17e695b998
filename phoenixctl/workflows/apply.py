"""Carry out a plan under the fleet's lock: settle what was cut off, make sure that the plan still
fits, then do its steps, each framed by lines in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress

from phoenixctl.model.errors import Refused
from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.plan import Plan
from phoenixctl.model.state import combined
from phoenixctl.workflows.acts import acts
from phoenixctl.workflows.carry import CUT_OFF, Carrier
from phoenixctl.workflows.freshness import check_basis, check_touched
from phoenixctl.workflows.graph import NOT_BEGUN, Graph
from phoenixctl.workflows.halt import Halt
from phoenixctl.workflows.health import Health
from phoenixctl.workflows.means import NOBODY, ORDINARY, Manner, Means, Watcher
from phoenixctl.workflows.recover import settle
from phoenixctl.workflows.report import Report, StepOutcome, StepResult
from phoenixctl.workflows.sizes import Sizes
from phoenixctl.workflows.specs import check_secrets, started_with
from phoenixctl.workflows.work import NOTHING, Work

__all__ = [
    "Halt", "Manner", "Means", "Report", "StepOutcome", "StepResult", "Watcher", "apply",
]  # fmt: skip


async def apply(
    plan: Plan,
    means: Means,
    *,
    manner: Manner = ORDINARY,
    watcher: Watcher = NOBODY,
    halt: Halt | None = None,
    specs: Mapping[str, AgentSpec] = NOTHING,
) -> Report:
    """Do the plan; what became of each step. `specs` are specifications by their digest that it
    needs beside those that are configured or recorded.

    Nothing was changed after: Refused, when it breaks a guard; Stale, when what it was computed
    from has changed; Locked, while another run goes on; the error of a secret that is missing.
    """
    if plan.breaches:
        first = plan.breaches[0]
        what = "; ".join(f"{breach.guard}: {breach.what}" for breach in plan.breaches)
        raise Refused(f"the plan is not allowed: {what}", hint=first.hint)
    if not plan.steps and not plan.sizes:
        return Report(plan, ())
    run = _Run(plan, means, specs, manner=manner, watcher=watcher, halt=halt or Halt())
    with suppress(_Interrupted):
        async with run.halt.cancels(at=2):
            await run.under_the_lock()
    return run.report()


class _Interrupted(BaseException):
    """Not an Exception: by that the records tell that somebody ended the run."""


class _Run:
    def __init__(
        self,
        plan: Plan,
        means: Means,
        specs: Mapping[str, AgentSpec],
        *,
        manner: Manner,
        watcher: Watcher,
        halt: Halt,
    ) -> None:
        self._plan = plan
        self._means = means
        self._manner = manner
        self._watcher = watcher
        self.halt = halt
        self._specs = specs
        self._operation = ""
        self._recovered: tuple[StepResult, ...] = ()
        self._results: dict[str, StepResult] = {}

    async def under_the_lock(self) -> None:
        async with AsyncExitStack() as stack:
            async with self.halt.cancels(at=1):
                changing = self._means.records.changing(
                    self._plan.title,
                    wait_seconds=self._manner.lock_wait_seconds,
                    on_wait=self._watcher.on_wait,
                )
                operation = await stack.enter_async_context(changing)
            self._go_on()
            if self._manner.check is not None:
                await self._manner.check()
            work = Work(self._means, self._manner, operation, self._plan, self._specs)
            self._recovered = await settle(work, self._watcher, stopping=self._stopping)
            check_basis(self._plan, work)
            steps = (step for step in self._plan.steps if not step.instance)
            work.saw(await work.look(node for step in steps for node in step.nodes))
            check_touched(self._plan, work)
            check_secrets(self._plan, work.specs, self._means.secret)
            self._go_on()
            await self._carry_out(work)
            if self._interrupted:
                raise _Interrupted

    async def _carry_out(self, work: Work) -> None:
        sizes = Sizes(work)
        carrier = Carrier(
            work.operation, acts(work, Health(work)), self._means.clock, self._watcher, sizes.after
        )
        self._results = carrier.results
        graph = Graph(self._plan.steps, carrier.results)
        opening = combined(sizes.wanted(), started_with(self._plan, work.specs))
        await work.operation.open(self._plan, opening)
        self._operation = work.operation.id
        try:
            await graph.run(
                carrier.do, carrier.skip, parallel=self._manner.parallel, stopping=self._stopping
            )
        finally:
            if self._stopping():  # the record tells of every step, also after the second Ctrl-C
                for step in self._plan.steps:
                    if step.key not in carrier.results:
                        await carrier.skip(step, NOT_BEGUN)

    def report(self) -> Report:
        results = tuple(
            self._results.get(step.key) or StepResult(step, StepOutcome.SKIPPED, NOT_BEGUN, 0.0)
            for step in self._plan.steps
        )
        return Report(self._plan, results, self._operation, self._recovered, self._interrupted)

    @property
    def _interrupted(self) -> bool:
        """Whether anything of the plan was left undone for it."""
        if not self.halt.asked:
            return False
        left = (result.detail in (CUT_OFF, NOT_BEGUN) for result in self._results.values())
        return any(left) or not self._results

    def _stopping(self) -> bool:
        return self.halt.asked

    def _go_on(self) -> None:
        if self.halt.asked:
            raise _Interrupted
