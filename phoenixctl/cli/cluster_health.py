"""The fleet seen as a cluster."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from phoenixctl.model.errors import ExitCode
from phoenixctl.model.outcome import gravest

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.model.fleet import Fleet
    from phoenixctl.render.health import HealthView


async def looked_at(parts: Parts, probes: int) -> HealthView:
    """Observe all nodes, let them try each other, ask those that decide together."""
    from phoenixctl.cli.observing import observed
    from phoenixctl.performance.consensus import consensus_of
    from phoenixctl.performance.partition import judged
    from phoenixctl.render.health import HealthView
    from phoenixctl.workflows.collectors import ask_collectors, running_on
    from phoenixctl.workflows.links import probe_links
    from phoenixctl.workflows.observe import WHAT_RUNS

    fleet = parts.fleet
    snapshot = await observed(parts, depth=WHAT_RUNS)
    answering = [node.name for node in snapshot.observed()]
    silent = [node.name for node in snapshot.unobserved()]
    links = await probe_links(fleet, parts.reach, answering, each=probes) if probes else {}
    # Silent nodes are asked too: they are members that do not answer.
    asked = await ask_collectors(
        _deciding(fleet), parts.reach, parts.secret, fleet.nodes, running_on(snapshot)
    )
    known = parts.records.availability()
    availability = {name: known[name] for name in fleet.nodes if name in known}
    return HealthView(
        snapshot,
        availability,
        math.prod(availability.values()) if availability else None,
        judged(answering, silent, links),
        consensus_of(asked),
    )


def _deciding(fleet: Fleet) -> Fleet:
    """With none but the collectors that tell of consensus."""
    from phoenixctl.performance.consensus import KINDS

    if fleet.metrics is None:
        return fleet
    own = tuple(c for c in fleet.metrics.collectors if c.kind in KINDS)
    return replace(fleet, metrics=replace(fleet.metrics, collectors=own))


def code_of(view: HealthView) -> ExitCode:
    """As `status` has it for nodes; 3 for a broken way or a cluster that is not healthy."""
    from phoenixctl.cli.observing import unobserved_code
    from phoenixctl.performance.consensus import Standing

    bad = not view.partition.whole or bool(view.partition.broken or view.partition.unseen)
    bad = bad or any(one.standing is not Standing.HEALTHY for one in view.consensus)
    return gravest((unobserved_code(view.snapshot), ExitCode.SOME_FAILED if bad else ExitCode.OK))
