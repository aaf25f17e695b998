"""`phoenixctl nodes`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from phoenixctl.cli.approve import change
from phoenixctl.cli.change_options import DryRun, LockWait, Yes
from phoenixctl.cli.command import command, group
from phoenixctl.cli.durations import seconds_of
from phoenixctl.cli.run import Run
from phoenixctl.cli.select import LabelOption, NodesOption, PoolOption, choose_nodes
from phoenixctl.model.errors import ExitCode
from phoenixctl.model.plan import Stopping

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.names import NodeName
    from phoenixctl.model.plan import Plan
    from phoenixctl.model.snapshot import Snapshot
    from phoenixctl.workflows.means import Manner

app = group("List, cordon, drain and protect nodes.")

Names = Annotated[list[str], typer.Argument(metavar="NODE...", help="Names, sets or globs.")]
Stop = Annotated[
    Stopping | None,
    typer.Option(
        "--stop", help="Stop agents: those that no other node takes, or all.", show_choices=True
    ),
]  # fmt: skip
Deadline = Annotated[
    str | None,
    typer.Option(
        "--deadline", metavar="TIME", help="For each agent, instead of its own times: 30s, 5m."
    ),
]  # fmt: skip
Reason = Annotated[str, typer.Option("--reason", help="Why, for whoever finds it.")]


@command(app, "ls", help="List nodes as configured, without asking them.")
def ls(
    run: Run, *, nodes: NodesOption = None, pool: PoolOption = None, label: LabelOption = None
) -> None:
    from phoenixctl.render.nodes import nodes_document, print_nodes

    fleet = run.parts.fleet
    chosen = choose_nodes(fleet, nodes, pool, label) if fleet.nodes else ()
    listed = [fleet.nodes[name] for name in chosen]
    run.emit(
        "nodes",
        lambda: nodes_document(fleet, listed),
        lambda console: print_nodes(listed, console),
    )


@command(app, "describe", help="Show all that can be seen of a node.")
def describe(
    run: Run, *, node: Annotated[str, typer.Argument(metavar="NODE", help="The node.")]
) -> ExitCode:
    from phoenixctl.cli.observing import observed
    from phoenixctl.model.outcome import gravest
    from phoenixctl.render.nodes import describe_node
    from phoenixctl.render.status import node_document

    chosen = choose_nodes(run.parts.fleet, [node])
    snapshot = run.within(lambda parts: observed(parts, chosen))
    fleet, now = run.parts.fleet, snapshot.taken_at
    run.emit(
        "node",
        lambda: {"nodes": [node_document(fleet, n, now=now) for n in snapshot.nodes.values()]},
        lambda console: describe_node(fleet, snapshot, console),
    )
    return gravest(n.error.exit_code for n in snapshot.unobserved())


@command(app, "cordon", help="Mark nodes so that they take no new agents.")
def cordon(
    run: Run,
    *,
    nodes: Names,
    reason: Reason = "",
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    from phoenixctl.planning.cordons import plan_cordon

    make = _on_nodes(nodes, plan_cordon)
    manner = _because(reason)
    return change(run, make, yes=yes, dry_run=dry_run, manner=manner, lock_wait=lock_wait)


@command(app, "uncordon", help="Let nodes take agents again.")
def uncordon(
    run: Run, *, nodes: Names, lock_wait: LockWait = None, dry_run: DryRun = False, yes: Yes = False
) -> ExitCode:
    from phoenixctl.planning.cordons import plan_uncordon

    make = _on_nodes(nodes, plan_uncordon)
    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait)


@command(
    app, "drain", help="Cordon nodes and bring their agents to other nodes, or stop those agents."
)
def drain(
    run: Run,
    *,
    nodes: Names,
    stop: Stop = None,
    deadline: Deadline = None,
    reason: Reason = "drain",
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    from phoenixctl.planning.drain import plan_drain

    make = _emptying(nodes, partial(plan_drain, stop=stop, grace_seconds=_deadline(deadline)))
    manner = _because(reason)
    return change(run, make, yes=yes, dry_run=dry_run, manner=manner, lock_wait=lock_wait)


@command(app, "reboot", help="Drain nodes, reboot them, and let them take agents again, in turn.")
def reboot(
    run: Run,
    *,
    nodes: Names,
    stop: Stop = None,
    deadline: Deadline = None,
    lock_wait: LockWait = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> ExitCode:
    from phoenixctl.planning.reboot import plan_reboot

    make = _emptying(nodes, partial(plan_reboot, stop=stop, grace_seconds=_deadline(deadline)))
    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait)


@command(app, "protect", help="Let no plan destroy these nodes, and no API call of a cloud.")
def protect(
    run: Run, *, nodes: Names, lock_wait: LockWait = None, dry_run: DryRun = False, yes: Yes = False
) -> ExitCode:
    make = _protecting(nodes, on=True)
    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait)


@command(app, "unprotect", help="Let plans destroy these nodes again.")
def unprotect(
    run: Run, *, nodes: Names, lock_wait: LockWait = None, dry_run: DryRun = False, yes: Yes = False
) -> ExitCode:
    make = _protecting(nodes, on=False)
    return change(run, make, yes=yes, dry_run=dry_run, lock_wait=lock_wait)


def _on_nodes(
    names: list[str], plan: Callable[[Iterable[NodeName], Snapshot], Plan]
) -> Callable[[Parts], Awaitable[Plan]]:
    """A plan about these nodes, from what runs on them now."""

    async def make(parts: Parts) -> Plan:
        from phoenixctl.cli.observing import observed
        from phoenixctl.cli.planned import relying
        from phoenixctl.workflows.observe import WHAT_RUNS

        snapshot = await observed(parts, choose_nodes(parts.fleet, names), depth=WHAT_RUNS)
        return await relying(parts, plan(snapshot.nodes, snapshot), snapshot)

    return make


def _emptying(names: list[str], plan: Callable[..., Plan]) -> Callable[[Parts], Awaitable[Plan]]:
    """A plan about these nodes, from all that there is: their agents need other places."""

    async def make(parts: Parts) -> Plan:
        from phoenixctl.cli.planned import looked
        from phoenixctl.planning.fingerprint import with_fingerprints
        from phoenixctl.workflows.observe import FULL

        choose_nodes(parts.fleet, names)
        seen = await looked(parts, depth=FULL)
        made = plan(
            choose_nodes(seen.fleet, names),
            parts.configured,
            seen.state,
            seen.snapshot,
            seen.inventory,
        )
        return with_fingerprints(made, seen.snapshot, seen.state)

    return make


def _deadline(text: str | None) -> float | None:
    return seconds_of("--deadline", text)


def _protecting(names: list[str], *, on: bool) -> Callable[[Parts], Awaitable[Plan]]:
    async def make(parts: Parts) -> Plan:
        from phoenixctl.planning.protect import plan_protect, plan_unprotect

        chosen = choose_nodes(parts.fleet, names)
        plan = plan_protect if on else plan_unprotect
        return plan(chosen, await parts.records.read())

    return make


def _because(reason: str) -> Manner:
    from phoenixctl.workflows.means import Manner

    return Manner(reason=reason)
