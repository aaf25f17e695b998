"""Plans that cordon and uncordon nodes. `pools` names the pool of each node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Plan, Step
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.planning import steps

_UNSAID: Final[Mapping[NodeName, str]] = MappingProxyType({})


def plan_cordon(
    nodes: Iterable[NodeName], snapshot: Snapshot, *, pools: Mapping[NodeName, str] = _UNSAID
) -> Plan:
    """Mark nodes so that they take no new agents."""
    return _marking("cordon nodes", nodes, snapshot, lambda o: _cordon(o, pools), "is cordoned")


def plan_uncordon(
    nodes: Iterable[NodeName], snapshot: Snapshot, *, pools: Mapping[NodeName, str] = _UNSAID
) -> Plan:
    """Take the mark away."""
    return _marking(
        "uncordon nodes", nodes, snapshot, lambda o: _uncordon(o, pools), "is not cordoned"
    )


def _marking(
    title: str,
    nodes: Iterable[NodeName],
    snapshot: Snapshot,
    steps_for: Callable[[NodeObservation], tuple[Step, ...]],
    already: str,
) -> Plan:
    """The steps that nodes need; those that need none are `already` so, silent ones a warning."""
    found: list[Step] = []
    unchanged: list[str] = []
    warnings: list[str] = []
    for name in nodes:
        observed = snapshot.nodes[name]
        if isinstance(observed, NodeUnobserved):
            warnings.append(f"{name} does not answer ({observed.error.kind})")
        elif needed := steps_for(observed):
            found.extend(needed)
        else:
            by = f" by {observed.cordon.by}" if observed.cordon else ""
            unchanged.append(f"{name} {already}{by}")
    return Plan(title, tuple(found), tuple(unchanged), tuple(warnings))


def _cordon(observed: NodeObservation, pools: Mapping[NodeName, str]) -> tuple[Step, ...]:
    if observed.cordon is not None:
        return ()
    pool = pools.get(observed.name, "")
    return (steps.cordon(observed.name, "so that it takes no new agents", pool=pool),)


def _uncordon(observed: NodeObservation, pools: Mapping[NodeName, str]) -> tuple[Step, ...]:
    if observed.cordon is None:
        return ()
    why = f"cordoned by {observed.cordon.by}"
    return (steps.uncordon(observed.name, why, pool=pools.get(observed.name, "")),)
