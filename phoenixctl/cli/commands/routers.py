"""`phoenixctl routers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.cli.approve import change
from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, group
from phoenixctl.cli.routing import asked, errors_of, name_errors
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.plan import Plan
    from phoenixctl.model.routing import RouterStatus

app = group("Show which agents get traffic; set it right.")


@command(app, "ls", help="List routers as configured, without asking them.")
def ls(run: Run) -> None:
    from phoenixctl.render.routers import print_routers, routers_document

    fleet = run.parts.configured
    run.emit(
        "routers",
        lambda: routers_document(fleet),
        lambda console: print_routers(fleet.routers.values(), console),
    )


@command(app, "status", help="Show every router's members, and those that it should have.")
def status(run: Run) -> ExitCode:
    from phoenixctl.render.routers import is_as_wanted, print_status, status_document

    found, _ = run.within(asked)
    run.emit(
        "routers-status",
        lambda: status_document(run.parts.configured, found),
        lambda console: print_status(found, console),
    )
    name_errors(run, found)
    answering = [router for router in found if router.error is None]
    if not all(is_as_wanted(router) for router in answering):
        run.note("not all members are as they should be; try: phoenixctl routers reconcile")
    return _exit_code(found)


@command(app, "reconcile", help="Make the members of every router those agents that serve.")
def reconcile(
    run: Run, *, lock_wait: LockWait = None, dry_run: DryRun = False, yes: Yes = False
) -> ExitCode:
    async def make(parts: Parts) -> Plan:
        from phoenixctl.planning.routing import plan_routes

        return plan_routes((await asked(parts))[0])

    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait)


def _exit_code(found: Sequence[RouterStatus]) -> ExitCode:
    """3 when a member is missing, too many or does not serve; an error's own code before that."""
    from phoenixctl.model.outcome import gravest

    codes = [error.exit_code for _, error in errors_of(found)]
    for backend in (backend for router in found for backend in router.backends):
        if not backend.as_wanted or not backend.serves:
            codes.append(ExitCode.SOME_FAILED)
    return gravest(codes)
