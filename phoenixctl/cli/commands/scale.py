"""`phoenixctl scale`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.approve import change
from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.cli.scope import MaxDestroy, MaxDisruption, guards_of
from phoenixctl.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.fleet import Fleet
    from phoenixctl.model.plan import Plan
    from phoenixctl.planning.difference import Scope

app = single()


@command(app, "scale", help="Give a pool another number of nodes; agents move before one goes.")
def scale(
    run: Run,
    *,
    pool: Annotated[str, typer.Argument(metavar="POOL", help="A pool that creates its nodes.")],
    size: Annotated[int, typer.Argument(metavar="N", min=0, help="How many nodes it shall have.")],
    max_destroy: MaxDestroy = None,
    max_disruption: MaxDisruption = None,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    async def make(parts: Parts) -> Plan:
        from phoenixctl.cli.planned import planned

        _check(parts.configured, pool)
        guards = guards_of(parts.configured, max_destroy, max_disruption)
        title = f"scale {pool} to {size}"
        return await planned(parts, lambda _fleet: _scope(pool, size), guards, title=title)

    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait, ask_always=True)


def _scope(pool: str, size: int) -> Scope:
    from phoenixctl.planning.difference import Scope

    return Scope(targets=(f"pool.{pool}",), sizes={pool: size})


def _check(fleet: Fleet, pool: str) -> None:
    from phoenixctl.cli.select import no_such

    if pool not in fleet.pools:
        raise no_such("pool", pool, fleet.pools, "phoenixctl config show")
    if fleet.pools[pool].provider == "static":
        raise UsageError(
            f"the nodes of pool {pool} are machines that exist; none can be created or destroyed",
            hint="list them under nodes in the configuration, then: phoenixctl plan",
        )
