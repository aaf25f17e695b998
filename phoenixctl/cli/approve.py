"""A plan is read before it is carried out."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import typer

from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.progress import Progress
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode, Refused

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.plan import Plan, Step
    from phoenixctl.ports.records import Holder, Unfinished
    from phoenixctl.workflows.halt import Halt
    from phoenixctl.workflows.means import Manner, Watcher
    from phoenixctl.workflows.report import Report, StepResult


def change(
    run: Run,
    make: Callable[[Parts], Awaitable[Plan]],
    *,
    yes: bool,
    dry_run: bool,
    manner: Manner | None = None,
    lock_wait: str | None = None,
    ask_always: bool = False,
    kept: bool = False,
) -> ExitCode:
    """The story of every change: finish what was cut off, look, plan, ask, carry out, report.

    Safe plans are asked about only with `ask_always`. A `kept` plan was read before: it is not
    shown and not asked about, and what was cut off is left to its own run, for it makes it stale.
    """
    wait = seconds_of("--lock-wait", lock_wait) or 0.0

    async def story(parts: Parts) -> ExitCode:
        if not kept:
            await finish_cut_off(run, parts, dry_run=dry_run, wait=wait)
        plan = await make(parts)
        read = kept and not dry_run
        if not read and not approve(run, plan, yes=yes, dry_run=dry_run, ask_always=ask_always):
            return _not_carried_out(plan, dry_run=dry_run)
        report = await carry_out(run, parts, plan, manner_for(parts, manner, wait))
        if run.output.for_programs:
            run.emit("report", lambda: report_document(report), lambda _console: None)
        else:
            _hints(run, report)
        return report.exit_code or _left_undone(plan)

    return run.within(story)


def approve(run: Run, plan: Plan, *, yes: bool, dry_run: bool, ask_always: bool = False) -> bool:
    """Show the plan; whether to go on.

    Refused when a guard forbids it, or when a yes is needed, nobody gave it and nobody can be
    asked.
    """
    from phoenixctl.model.plan import Risk

    disruptive = any(step.risk is not Risk.SAFE for step in plan.steps)
    asking = bool(plan.steps) and (disruptive or ask_always)
    if dry_run or not run.output.for_programs:
        # What is safe is told step by step as it happens; what disrupts is read before.
        if dry_run or asking or not plan.steps:
            _show(run, plan)
        else:
            _say_the_rest(run, plan)
    if dry_run:
        return False
    if plan.breaches:
        first = plan.breaches[0]
        raise Refused(f"a guard forbids the plan ({first.guard}): {first.what}", hint=first.hint)
    if yes or not asking:
        return True
    if run.output.for_programs or not sys.stdin.isatty():
        why = "the plan disrupts running agents" if disruptive else "the plan is not approved"
        raise Refused(
            f"{why} and nobody can be asked", hint="read it with --dry-run, then add --yes"
        )
    return typer.confirm("Carry it out?", err=True)


async def carry_out(
    run: Run, parts: Parts, plan: Plan, manner: Manner, *, halt: Halt | None = None
) -> Report:
    """Carry a plan out with a line on stderr for each step that has ended.

    The first Ctrl-C lets what is under way come to its end; the second one cuts it off. `halt`
    tells afterwards whether there was one.
    """
    from phoenixctl.cli.interrupts import interrupts
    from phoenixctl.workflows.apply import apply
    from phoenixctl.workflows.halt import Halt

    halt = halt or Halt()
    with Progress(plan.title, len(plan.steps)) as shown, interrupts(halt, shown.say):
        watcher = _watcher(run, shown)
        async with shown.alive():
            return await apply(
                plan,
                parts.means(),
                manner=manner,
                watcher=watcher,
                halt=halt,
                specs=parts.past_specs,
            )


async def finish_cut_off(run: Run, parts: Parts, *, dry_run: bool, wait: float) -> None:
    """What a run that was killed has left gets its end before anything else is planned."""
    from phoenixctl.workflows.recover import recover

    unfinished = await parts.records.unfinished()
    if not unfinished:
        return
    if dry_run:
        keys = ", ".join(one.step.key for one in unfinished)
        run.note(f"an earlier run was cut off in: {keys}; the next change finishes that first")
        return
    await parts.know_recorded_nodes()
    with Progress("finishing what was cut off", len(unfinished)) as shown:
        watcher = _watcher(run, shown)
        await recover(parts.means(), watcher=watcher, lock_wait_seconds=wait)


def _watcher(run: Run, shown: Progress) -> Watcher:
    from phoenixctl.workflows.means import Watcher
    from phoenixctl.workflows.report import StepOutcome

    def tell(step: Step, result: StepResult) -> None:
        from phoenixctl.render.plans import words

        failed = result.outcome is not StepOutcome.OK
        shown.step(step.key, failed=failed)
        if run.output.for_programs:
            return
        sign = "ok" if not failed else result.outcome
        first, *rest = result.detail.splitlines() or [""]
        shown.say(f"{sign:6} {words(step)}: {first}")
        for line in rest:  # the agent's last words
            shown.say(f"{'':6} | {line}")

    def on_step(step: Step, result: StepResult | None) -> None:
        if result is None:
            shown.begin(step.key)
        else:
            tell(step, result)

    def on_recovered(one: Unfinished, result: StepResult) -> None:
        shown.say(f"an earlier run was cut off in: {one.step.key}; finishing it")
        tell(one.step, result)

    def on_wait(holder: Holder) -> None:
        shown.say(waits_for(holder))

    return Watcher(on_step=on_step, on_recovered=on_recovered, on_wait=on_wait)


def waits_for(holder: Holder) -> str:
    return f"waiting for {holder.by} (pid {holder.pid}), who runs `{holder.operation}`"


def manner_for(parts: Parts, manner: Manner | None, wait: float) -> Manner:
    from dataclasses import replace

    from phoenixctl.workflows.means import ORDINARY

    parallel = parts.configured.ssh.parallel
    return replace(manner or ORDINARY, lock_wait_seconds=wait, parallel=parallel)


def _say_the_rest(run: Run, plan: Plan) -> None:
    told = (*plan.unchanged, *plan.notes, *(f"! {warning}" for warning in plan.warnings))
    for text in told:
        run.note(text)


def _show(run: Run, plan: Plan) -> None:
    from phoenixctl.render.output import Output
    from phoenixctl.render.plans import plan_document, print_plan

    wide = run.output is Output.WIDE
    run.emit(
        "plan", lambda: plan_document(plan), lambda console: print_plan(plan, console, wide=wide)
    )


def _not_carried_out(plan: Plan, *, dry_run: bool) -> ExitCode:
    if dry_run:
        return ExitCode.REFUSED if plan.breaches else ExitCode.OK
    return ExitCode.REFUSED


def report_document(report: Report) -> dict[str, Any]:
    """What became of a plan, for programs."""
    return {
        "title": report.plan.title,
        "operation": report.operation or None,
        "exit_code": int(report.exit_code),
        "interrupted": report.interrupted,
        "steps": [_result_document(result) for result in report.results],
        "recovered": [_result_document(result) for result in report.recovered],
        "unchanged": list(report.plan.unchanged),
        "warnings": list(report.plan.warnings),
    }


def _result_document(result: StepResult) -> dict[str, Any]:
    return {
        "key": result.step.key,
        "action": result.step.action.value,
        "node": result.step.node,
        "agent": result.step.agent,
        "outcome": result.outcome.value,
        "detail": result.detail,
        "seconds": round(result.seconds, 3),
        "error": result.error
        and {"kind": result.error.kind, "what": result.error.what, "hint": result.error.hint},
    }


def _left_undone(plan: Plan) -> ExitCode:
    """Warnings name what was asked for and is not in the plan."""
    return ExitCode.SOME_FAILED if plan.warnings else ExitCode.OK


def _hints(run: Run, report: Report) -> None:
    hints = dict.fromkeys(r.error.hint for r in report.results if r.error and r.error.hint)
    for hint in hints:
        run.note(f"  try: {hint}")
