"""`phoenixctl agents`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.approve import change
from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, group
from phoenixctl.cli.confirm import confirmed_off
from phoenixctl.cli.run import Run
from phoenixctl.cli.scope import Fenced, dead_and_fenced
from phoenixctl.cli.select import (
    NodesOption,
    choose_agents,
    choose_node,
    choose_nodes,
    find_agents,
)
from phoenixctl.model.errors import ExitCode

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.names import NodeName
    from phoenixctl.model.plan import Plan
    from phoenixctl.model.snapshot import Snapshot

app = group("Start, stop and follow agents.")

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="AGENT...", help="Ids (ingest-0), specs (ingest) or globs."),
]


@command(app, "ls", help="List agents as found on the nodes.")
def ls(run: Run, *, agents: Names = None, nodes: NodesOption = None) -> ExitCode:
    from phoenixctl.model.outcome import gravest
    from phoenixctl.render.agents import DROPPED, agent_document, agent_rows
    from phoenixctl.render.output import Output
    from phoenixctl.render.tables import table

    snapshot = run.within(lambda parts: _seen(parts, nodes))
    wanted = set(find_agents(run.parts.fleet, snapshot, agents or ()))
    found = sorted(
        (a for a in snapshot.agents() if a.id in wanted),
        key=lambda a: (a.spec_name, a.ordinal, a.node),
    )
    now = snapshot.taken_at
    columns, rows, right = agent_rows(found, now=now, wide=run.output is Output.WIDE)
    run.emit(
        "agents",
        lambda: {
            "fleet": run.parts.fleet.name,
            "taken_at": snapshot.taken_at_utc,
            "agents": [agent_document(a, now=now) for a in found],
            "unobserved_nodes": [n.name for n in snapshot.unobserved()],
        },
        lambda console: table(console, columns, rows, right=right, drop=DROPPED),
    )
    _name_silent(run, snapshot)
    return gravest(n.error.exit_code for n in snapshot.unobserved())


@command(app, "describe", help="Show all that can be seen of an agent.")
def describe(
    run: Run, *, agent: Annotated[str, typer.Argument(metavar="AGENT", help="Its id.")]
) -> ExitCode:
    from phoenixctl.model.outcome import gravest
    from phoenixctl.render.agents import agent_document
    from phoenixctl.render.describe import describe_agents

    snapshot = run.within(lambda parts: _seen(parts, None))
    wanted = find_agents(run.parts.fleet, snapshot, [agent])
    found = [a for a in snapshot.agents() if a.id in wanted]
    now = snapshot.taken_at
    run.emit(
        "agent",
        lambda: {"agents": [agent_document(a, now=now) for a in found]},
        lambda console: describe_agents(run.parts.fleet, found, console, now=now),
    )
    _name_silent(run, snapshot)
    if found:
        return ExitCode.OK
    if snapshot.unobserved():  # it may run there
        run.note(f"{agent} is on no node that answers")
        return gravest(n.error.exit_code for n in snapshot.unobserved())
    run.note(f"{agent} is on no node; start it with: phoenixctl agents start {agent}")
    return ExitCode.ERROR


@command(app, "start", help="Start agents that do not run, and wait until they are ready.")
def start(
    run: Run,
    *,
    agents: Names = None,
    on: Annotated[
        str | None,
        typer.Option("--on", metavar="NODE", help="There, if it fits; else where placement says."),
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for ready.")] = False,
    assume_dead: Annotated[
        list[str] | None,
        typer.Option(
            "--assume-dead", metavar="NODE", help="This silent node is dead: nothing runs on it."
        ),
    ] = None,
    fenced: Fenced = None,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    from phoenixctl.cli.planned import relying
    from phoenixctl.planning.lifecycle import plan_start
    from phoenixctl.workflows.leases import known_leases
    from phoenixctl.workflows.means import Manner

    async def make(parts: Parts) -> Plan:
        dead, off = dead_and_fenced(parts.fleet, assume_dead, fenced)
        off |= confirmed_off(parts.configured, assume_dead, fenced)
        wanted = choose_agents(parts.fleet, agents or ())
        node = choose_node(parts.fleet, on) if on is not None else None
        # Where agents go depends on rates and response times as well.
        snapshot = await _seen(parts, None)
        leases = known_leases(parts.configured, parts.records)
        plan = plan_start(
            wanted, parts.fleet, snapshot, assume_dead=dead, fenced=off, leases=leases, on=node
        )
        return await relying(parts, plan, snapshot)

    manner = Manner(wait_ready=not no_wait)
    return change(run, make, yes=yes, dry_run=dry_run, manner=manner, lock_wait=lock_wait)


@command(app, "stop", help="Stop agents and prove that nothing of them is left.")
def stop(
    run: Run,
    *,
    agents: Names = None,
    nodes: NodesOption = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove their state as well.")] = False,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    from phoenixctl.cli.planned import relying
    from phoenixctl.planning.lifecycle import plan_stop
    from phoenixctl.workflows.means import Manner

    async def make(parts: Parts) -> Plan:
        snapshot = await _seen(parts, nodes, for_plan=True)
        wanted = find_agents(parts.fleet, snapshot, agents or ())
        if nodes and not agents:  # all that is there; of the others nothing is known
            wanted = tuple(a for a in wanted if snapshot.find(a))
        return await relying(parts, plan_stop(wanted, snapshot, purge=purge), snapshot)

    # Naming an agent is a yes to stopping it, not to losing its state.
    agreed = yes or (bool(agents) and not purge)
    manner = Manner(purge=purge)
    return change(run, make, yes=agreed, dry_run=dry_run, manner=manner, lock_wait=lock_wait)


@command(app, "restart", help="Restart agents in waves, each ready before the next.")
def restart(
    run: Run,
    *,
    agents: Names = None,
    at_once: Annotated[
        int, typer.Option("--at-once", min=1, metavar="N", help="How many at a time.")
    ] = 1,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    from phoenixctl.cli.planned import relying
    from phoenixctl.planning.lifecycle import plan_restart

    async def make(parts: Parts) -> Plan:
        wanted = choose_agents(parts.fleet, agents or ())
        snapshot = await _seen(parts, None, for_plan=True)
        return await relying(parts, plan_restart(wanted, snapshot, at_once=at_once), snapshot)

    return change(run, make, yes=yes or bool(agents), dry_run=dry_run, lock_wait=lock_wait)


@command(app, "checkpoint", help="Keep a checkpoint of each agent on other nodes, when it is due.")
def checkpoint(
    run: Run,
    *,
    agents: Names = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the last one is not old enough.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which are due, and where they would go.")
    ] = False,
) -> ExitCode:
    from phoenixctl.cli.checkpoints import checkpoint_agents

    return run.within(
        lambda parts: checkpoint_agents(run, parts, agents or (), force=force, dry_run=dry_run)
    )


@command(app, "renew", help="Permit singletons to run on: --once from cron, else again and again.")
def renew(
    run: Run,
    *,
    agents: Names = None,
    once: Annotated[bool, typer.Option("--once", help="One round, and its result.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show whose, and renew none.")] = False,
) -> ExitCode:
    from phoenixctl.cli.renewing import renew_again_and_again, renew_once

    if once or dry_run:
        return run.within(lambda parts: renew_once(run, parts, agents or [], dry_run=dry_run))
    return run.within(lambda parts: renew_again_and_again(run, parts, agents or []))


@command(app, "migrations", help="Show how agents came from node to node, the latest first.")
def migrations(run: Run, *, agents: Names = None) -> None:
    from fnmatch import fnmatchcase

    from phoenixctl.render.migrations import migrations_document, print_migrations

    state = run.within(lambda parts: parts.records.read())
    past = [
        (agent, one)
        for agent, several in state.migrations.items()
        for one in several
        if not agents or any(fnmatchcase(agent, a) or agent.rpartition("-")[0] == a for a in agents)
    ]
    past.sort(key=lambda pair: (pair[1].at, pair[0]), reverse=True)
    run.emit(
        "migrations",
        lambda: migrations_document(past),
        lambda console: print_migrations(past, console),
    )


@command(app, "logs", help="Show what agents wrote; -f follows.")
def logs(
    run: Run,
    *,
    agents: Names = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", min=0, metavar="N", help="How many of the past.")
    ] = 20,
) -> ExitCode:
    from phoenixctl.cli.logs import show_logs

    return run.within(lambda parts: show_logs(run, parts, agents or [], lines, follow=follow))


async def _seen(parts: Parts, nodes: list[str] | None, *, for_plan: bool = False) -> Snapshot:
    from phoenixctl.cli.observing import observed
    from phoenixctl.workflows.observe import FULL, WHAT_RUNS

    chosen: tuple[NodeName, ...] | None = choose_nodes(parts.fleet, nodes) if nodes else None
    return await observed(parts, chosen, depth=WHAT_RUNS if for_plan else FULL)


def _name_silent(run: Run, snapshot: Snapshot) -> None:
    for node in snapshot.unobserved():
        run.note(f"{node.name}: {node.error.kind}: {node.error}")
        if node.error.hint:
            run.note(f"  try: {node.error.hint}")
