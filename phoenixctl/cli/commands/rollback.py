"""`phoenixctl rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.cli.approve import change
from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, single
from phoenixctl.cli.commands.history import Operation
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.plan import Plan

app = single()


@command(app, "rollback", help="Take back what an operation did, by a plan of the opposite.")
def rollback(
    run: Run,
    *,
    operation: Operation,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    async def make(parts: Parts) -> Plan:
        from phoenixctl.cli.planned import looked
        from phoenixctl.planning.fingerprint import with_fingerprints
        from phoenixctl.planning.rollback import plan_rollback

        past = await parts.records.past(operation)
        seen = await looked(parts)
        parts.past_specs = past.specs
        plan = plan_rollback(past, seen.fleet, seen.state, seen.snapshot)
        return with_fingerprints(plan, seen.snapshot, seen.state)

    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait, ask_always=True)
