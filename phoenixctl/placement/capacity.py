"""How much of each resource a node has, and how much of it is not for agents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import nan
from typing import Final

from phoenixctl.model.fleet import Fleet, Node, Resources
from phoenixctl.model.reading import Metric
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved

CPU: Final = "cpu"
MEMORY: Final = "memory"

_MEASURED: Final = {CPU: Metric.CORES, MEMORY: Metric.MEMORY_TOTAL}


def resource_names(fleet: Fleet) -> tuple[str, ...]:
    """`cpu`, `memory`, then every other resource that anything in the fleet has or asks for."""
    named = {name for resources in _everywhere(fleet) for name in resources.other}
    return (CPU, MEMORY, *sorted(named - {CPU, MEMORY}))


def amount(resources: Resources | None, name: str) -> float | None:
    """How much of one resource is said; None: nothing is."""
    if resources is None:
        return None
    if name == CPU:
        return resources.cpu
    if name == MEMORY:
        return resources.memory
    return resources.other.get(name)


def row(resources: Resources | None, names: Iterable[str]) -> list[float]:
    """What is said of each resource; 0 where nothing is."""
    return [amount(resources, name) or 0.0 for name in names]


def totals(
    fleet: Fleet, node: Node, observed: NodeObservation | NodeUnobserved, names: Sequence[str]
) -> list[float]:
    """What the node has in all; NaN: unknown.

    Cores and memory are measured, if the node's configuration does not say them. No probe sees
    named resources: a node has of them what it or its pool says, else none.
    """
    pool = fleet.pools.get(node.pool)
    found = []
    for name in names:
        said = amount(node.resources, name)
        if said is None and name in _MEASURED:
            said = _measured(observed, _MEASURED[name])
        elif said is None:
            said = amount(pool.capacity, name) if pool is not None else None
            said = said or 0.0
        found.append(nan if said is None else float(said))
    return found


def reserved(fleet: Fleet, node: Node, names: Sequence[str]) -> list[float]:
    """What of it is kept from agents: as the node says, else its pool."""
    pool = fleet.pools.get(node.pool)
    own = node.reserved
    return row(own if own is not None or pool is None else pool.reserved, names)


def _measured(observed: NodeObservation | NodeUnobserved, metric: Metric) -> float | None:
    if isinstance(observed, NodeUnobserved):
        return None
    reading = observed.metrics.get(metric)
    return None if reading is None else reading.value


def _everywhere(fleet: Fleet) -> Iterator[Resources]:
    yield from (spec.resources for spec in fleet.agents.values())
    said = [(node.resources, node.reserved) for node in fleet.nodes.values()]
    said += [(pool.capacity, pool.reserved) for pool in fleet.pools.values()]
    yield from (resources for pair in said for resources in pair if resources is not None)
