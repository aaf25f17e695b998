"""The plan of `plan`, `apply` and `scale`: look at everything, and take the difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from phoenixctl.cli.observing import observed
from phoenixctl.model.fleet import Fleet, Guards
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.workflows.observe import FULL, READY, WHAT_RUNS, Depth

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.plan import Plan
    from phoenixctl.model.state import State
    from phoenixctl.planning.difference import Scope
    from phoenixctl.workflows.look import Look


async def looked(parts: Parts, *, depth: Depth = WHAT_RUNS) -> Look:
    """Everything a plan is computed from; from now on `parts` knows every node of it."""
    return await looked_from(parts, await parts.records.read(), depth=depth)


async def looked_from(parts: Parts, state: State, *, depth: Depth = WHAT_RUNS) -> Look:
    """The same with a given record, for one that cannot be read."""
    from phoenixctl.workflows.look import look

    async def observe(fleet: Fleet, nodes: Iterable[NodeName]) -> Snapshot:
        parts.fleet = fleet
        return await observed(parts, nodes, depth=depth)

    return await look(parts.configured, parts.reach, parts.providers, state, observe)


async def planned(
    parts: Parts,
    scope: Callable[[Fleet], Scope],
    guards: Guards | None = None,
    *,
    title: str = "apply",
) -> Plan:
    """The difference of what is wanted and what there is, with what it relies on; and what routers
    have that they should not, or lack."""
    from dataclasses import replace

    from phoenixctl.cli.checkpoints import with_checkpoints
    from phoenixctl.model.plan import Action
    from phoenixctl.planning.fingerprint import with_fingerprints

    # Who is ready matters for routers alone; other plans need not wait for that.
    seen = await looked(parts, depth=READY if parts.configured.routers else WHAT_RUNS)
    plan = _difference(parts, seen, scope(seen.fleet), guards)
    if any(step.action is Action.START for step in plan.steps):
        # Where agents go depends on rates and response times, for which other plans need not wait.
        measured = await observed(parts, seen.snapshot.nodes, depth=FULL)
        seen = replace(seen, snapshot=measured)
        plan = _difference(parts, seen, scope(seen.fleet), guards)
        plan = await with_checkpoints(parts, plan, seen.fleet, seen.snapshot, seen.state)
    if parts.configured.routers:
        plan = await _with_routers(parts, plan, seen.snapshot)
    return with_fingerprints(replace(plan, title=title), seen.snapshot, seen.state)


async def _with_routers(parts: Parts, plan: Plan, snapshot: Snapshot) -> Plan:
    """The plan, with how the members of routers differ from what is seen to run."""
    from dataclasses import replace

    from phoenixctl.planning.routing import drift_of_routers, not_known
    from phoenixctl.workflows.traffic import Traffic

    found = await Traffic(parts.fleet, parts.routers, parts.clock).status(snapshot)
    return replace(
        plan,
        drift=(*plan.drift, *drift_of_routers(found)),
        notes=(*plan.notes, *not_known(found)),
    )


def _difference(parts: Parts, seen: Look, scope: Scope, guards: Guards | None) -> Plan:
    from phoenixctl.cli.compose import read_file
    from phoenixctl.planning.config_digest import config_digest
    from phoenixctl.planning.difference import plan_changes
    from phoenixctl.workflows.bootstrap import bootstrap_digests
    from phoenixctl.workflows.leases import known_leases

    return plan_changes(
        parts.configured,
        seen.state,
        seen.snapshot,
        seen.inventory,
        config_digest=config_digest(parts.configured),
        bootstrap_digests=bootstrap_digests(parts.configured, read_file),
        scope=scope,
        guards=guards,
        leases=known_leases(parts.configured, parts.records),
    )


async def relying(parts: Parts, plan: Plan, snapshot: Snapshot) -> Plan:
    """The plan with what it relies on: it is stale when that changes before it is carried out; and
    with what the agents begin from that it starts."""
    from phoenixctl.cli.checkpoints import with_checkpoints
    from phoenixctl.planning.fingerprint import with_fingerprints

    state = await parts.records.read()
    plan = await with_checkpoints(parts, plan, parts.fleet, snapshot, state)
    return with_fingerprints(plan, snapshot, state)
