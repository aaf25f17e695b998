"""`phoenixctl apply`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.approve import change
from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.cli.scope import PlanOptions
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.plan import Plan

app = single()


@command(app, "apply", help="Carry out a plan: one from a file, or the one that is due now.")
def apply(
    run: Run,
    *,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A plan that `plan --out` kept.")
    ] = None,
    asked: PlanOptions,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    if file is not None:
        if asked != PlanOptions():
            raise UsageError(
                "a plan from a file is carried out as it is",
                hint="give these options to `phoenixctl plan --out FILE`",
            )
        return _apply_file(run, file, lock_wait=lock_wait, dry_run=dry_run, yes=yes)

    return change(
        run, asked.planned, yes=yes, dry_run=dry_run, lock_wait=lock_wait, ask_always=True
    )


def _apply_file(
    run: Run, file: Path, *, lock_wait: str | None, dry_run: bool, yes: bool
) -> ExitCode:
    from phoenixctl.store.plan_file import read_plan

    plan = read_plan(file)

    async def make(parts: Parts) -> Plan:
        if plan.basis is not None and plan.basis.fleet != parts.configured.name:
            raise UsageError(
                f"{file} is a plan of fleet {plan.basis.fleet}, not of {parts.configured.name}",
                hint="name its configuration with --config",
            )
        await parts.know_recorded_nodes()
        return plan

    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait, kept=True)
