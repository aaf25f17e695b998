"""`phoenixctl migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.approve import change
from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, single
from phoenixctl.cli.run import Run
from phoenixctl.model.errors import ExitCode
from phoenixctl.model.moving import Way

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.plan import Plan

app = single()

Agents = Annotated[
    list[str], typer.Argument(metavar="AGENT...", help="Agents, as ingest-0 or ingest for all.")
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="NODE", help="Where to; without: the best other node for each."),
]
Strategy = Annotated[
    Way | None,
    typer.Option(
        "--strategy",
        help="How; without: as its spec says, else the first that its hooks allow.",
        show_choices=True,
    ),
]


@command(
    app, "migrate", help="Bring agents to another node with their state, also while they serve."
)
def migrate(
    run: Run,
    *,
    agents: Agents,
    to: To = None,
    strategy: Strategy = None,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    async def make(parts: Parts) -> Plan:
        from phoenixctl.cli.planned import looked
        from phoenixctl.cli.select import choose_agents, choose_node
        from phoenixctl.planning.fingerprint import with_fingerprints
        from phoenixctl.planning.migrate import plan_migrate
        from phoenixctl.workflows.observe import FULL

        seen = await looked(parts, depth=FULL)
        chosen = choose_agents(parts.configured, agents)
        made = plan_migrate(
            [agent.id for agent in chosen],
            parts.configured,
            seen.state,
            seen.snapshot,
            seen.inventory,
            to=None if to is None else choose_node(seen.fleet, to),
            way=strategy,
        )
        return with_fingerprints(made, seen.snapshot, seen.state)

    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait)
