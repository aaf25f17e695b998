"""`phoenixctl agents checkpoint`, and what plans say of checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from phoenixctl.cli.observing import observed
from phoenixctl.cli.progress import Progress
from phoenixctl.cli.run import Run
from phoenixctl.cli.select import find_agents
from phoenixctl.model.errors import ExitCode, UsageError
from phoenixctl.model.outcome import gravest
from phoenixctl.workflows.observe import WHAT_RUNS

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.fleet import Fleet
    from phoenixctl.model.plan import Plan
    from phoenixctl.model.snapshot import Snapshot
    from phoenixctl.model.state import State
    from phoenixctl.workflows.checkpoints import Checkpointed


async def checkpoint_agents(
    run: Run, parts: Parts, names: Sequence[str], *, force: bool, dry_run: bool
) -> ExitCode:
    """Make those that are due, an outcome for each agent; the lock of the fleet is not needed."""
    from phoenixctl.workflows.checkpoints import Checkpointing, running

    if not dry_run:
        parts.records.prepare()
    snapshot = await observed(parts, depth=WHAT_RUNS)
    chosen = find_agents(parts.fleet, snapshot, names)
    wanted = tuple(running(chosen, parts.fleet, snapshot))
    if names and not wanted:
        raise UsageError(
            "none of these agents runs and has `checkpoints` in its spec",
            hint="phoenixctl agents ls; phoenixctl config show",
        )
    with Progress("making checkpoints", len(wanted)) as shown:

        def on_agent(made: Checkpointed) -> None:
            shown.step(made.agent, failed=made.fate.failed)

        making = Checkpointing(parts.fleet, snapshot, parts.reach, parts.clock, parts.secret)
        made = await making(wanted, force=force, dry_run=dry_run, on_agent=on_agent)
    _show(run, made)
    failed = any(one.fate.failed for one in made)
    if any(one.checkpoint is not None or one.fate.failed for one in made):
        agents = {one.agent: one.fate.value for one in made}
        parts.records.audit("agents checkpoint", "some failed" if failed else "ok", agents=agents)
    for node in snapshot.unobserved():
        run.note(f"{node.name}: {node.error.kind}: {node.error}")
    codes = [node.error.exit_code for node in snapshot.unobserved()]
    return gravest([*codes, ExitCode.SOME_FAILED] if failed else codes)


def _show(run: Run, made: Sequence[Checkpointed]) -> None:
    from phoenixctl.render.checkpoints import COLUMNS, NUMBERS, checkpoint_row
    from phoenixctl.render.tables import table

    rows = [
        checkpoint_row(
            one.agent, one.node, one.fate,
            age_seconds=one.age_seconds if one.checkpoint is None else 0.0,
            size=one.size, peers=one.peers,
        )
        for one in made
    ]  # fmt: skip
    run.emit(
        "checkpoints",
        lambda: {"agents": [_document(one) for one in made]},
        lambda console: table(console, COLUMNS, rows, right=NUMBERS),
    )
    for one in made:
        for node, error in one.errors.items():
            run.note(f"{one.agent} on {node}: {error.kind}: {error}")
            if error.hint:
                run.note(f"  try: {error.hint}")


def _document(one: Checkpointed) -> dict[str, Any]:
    from phoenixctl.render.checkpoints import errors_document

    return {
        "agent": one.agent,
        "node": one.node,
        "outcome": one.fate.value,
        "checkpoint": None if one.checkpoint is None else str(one.checkpoint),
        "epoch": None if one.checkpoint is None else one.checkpoint.epoch,
        "size": one.size,
        "kept_on": list(one.peers),
        "last_age_seconds": None if one.age_seconds is None else round(one.age_seconds, 3),
        "seconds": round(one.seconds, 3),
        "errors": errors_document(one.errors),
    }


async def with_checkpoints(
    parts: Parts, plan: Plan, fleet: Fleet, snapshot: Snapshot, state: State
) -> Plan:
    """The plan, with what the agents begin from that it starts."""
    from phoenixctl.planning.restoring import restorable, with_restores
    from phoenixctl.workflows.keeping import Keeping

    if not restorable(plan, fleet):
        return plan
    answering = [seen.name for seen in snapshot.observed()]
    found = await Keeping(fleet, parts.reach, parts.clock).listing(answering)
    silent = {*found.silent, *(seen.name for seen in snapshot.unobserved())}
    return with_restores(plan, fleet, state, snapshot, shelves=found.shelves, silent=silent)
