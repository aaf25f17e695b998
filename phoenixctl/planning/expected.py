"""What a node will be like that nobody has seen yet."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final

from phoenixctl.model.fleet import Agent, Node, Pool
from phoenixctl.model.reading import Metric, Reading
from phoenixctl.model.snapshot import NodeObservation

# Nothing is known of it: it counts as large enough, and the plan says so.
_UNKNOWN: Final = inf


def expected(node: Node, pool: Pool, seen: Iterable[NodeObservation]) -> NodeObservation:
    """A node of this pool as placement needs it, idle and ready: with what the pool says its nodes
    have, else with the least that those have which were seen."""
    known = list(seen)
    capacity = pool.capacity
    cores = capacity.cpu if capacity else None
    memory = capacity.memory if capacity else None
    readings = {
        Metric.CORES: _least(Metric.CORES, known) if cores is None else cores,
        Metric.MEMORY_TOTAL: _least(Metric.MEMORY_TOTAL, known) if memory is None else memory,
    }
    return NodeObservation(
        name=node.name,
        at=0.0,
        seconds=0.0,
        boot_id="",
        hostname="",
        kernel="",
        supervisor=node.supervisor,
        base_dir="",
        cordon=None,
        metrics={metric: Reading(value, 0.0) for metric, value in readings.items()},
        agents=(),
    )


def is_guess(observed: NodeObservation, agent: Agent) -> bool:
    """Whether only carrying the plan out will tell if the node has room for the agent."""
    wanted = agent.spec.resources
    return any(
        asked is not None and observed.metrics[metric].value == _UNKNOWN
        for metric, asked in ((Metric.CORES, wanted.cpu), (Metric.MEMORY_TOTAL, wanted.memory))
    )


def _least(metric: Metric, seen: Iterable[NodeObservation]) -> float:
    values = [node.metrics[metric].value for node in seen]
    return min((value for value in values if value is not None), default=_UNKNOWN)
