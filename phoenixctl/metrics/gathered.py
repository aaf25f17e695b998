"""What was seen of a fleet, as batches for the store: nodes, agents, and what collectors gave."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch
from phoenixctl.metrics.subjects import agent_subject
from phoenixctl.model.measuring import Asked
from phoenixctl.model.reading import AgentMetric, Metric, Reading
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)

UP: Final = "up"  # 1: the node answers, the agent serves; 0: not
NO_KINDS: Final[Mapping[str, Kind]] = MappingProxyType({})  # so all are gauges
_KINDS: Final = {Metric.SCHEDULINGS.value: Kind.COUNTER}


@dataclass(frozen=True, slots=True)
class Collected:
    """What one collection has kept: so many known values of so many metrics."""

    snapshot: Snapshot
    at_seconds: float
    metrics: int
    values: int
    asked: tuple[Asked, ...] = ()  # collectors, each on each of its nodes


def batches_of(snapshot: Snapshot, *, at_seconds: float) -> tuple[Batch, ...]:
    """Nodes in one batch and agents in another, for each has metrics that the other has not.

    A node that gave no answer is `up` 0, and all else of it is unknown. A metric that is unknown
    for all is left out.
    """
    nodes = tuple(snapshot.nodes.values())
    columns = {
        UP: [float(isinstance(node, NodeObservation)) for node in nodes],
        **{metric.value: [_of_node(node, metric) for node in nodes] for metric in Metric},
    }
    agents = {agent_subject(agent.node, agent.id): agent for agent in snapshot.agents()}
    of_agents = {
        UP: [_serves(agent) for agent in agents.values()],
        **{
            metric.value: [_value(agent.metrics.get(metric)) for agent in agents.values()]
            for metric in AgentMetric
        },
    }
    made = (
        _batch(at_seconds, [node.name for node in nodes], columns, _KINDS),
        _batch(at_seconds, list(agents), of_agents, NO_KINDS),
    )
    return tuple(batch for batch in made if batch.columns)


def batches_of_samples(
    samples: Mapping[str, Mapping[str, float]],
    *,
    at_seconds: float,
    kinds: Mapping[str, Kind] = NO_KINDS,
) -> tuple[Batch, ...]:
    """Values by metric and subject; the metrics of the same subjects are in one batch."""
    by_subjects: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for metric, values in samples.items():
        subjects = tuple(sorted(values))
        column = [values[subject] for subject in subjects]
        by_subjects.setdefault(subjects, {})[metric] = column
    made = (
        _batch(at_seconds, subjects, columns, kinds) for subjects, columns in by_subjects.items()
    )
    return tuple(batch for batch in made if batch.columns)


def metrics_in(batches: Iterable[Batch]) -> set[str]:
    return {metric for batch in batches for metric in (*batch.columns, *batch.observed)}


def values_in(batches: Iterable[Batch]) -> int:
    """How many values are known; of what was observed, how many were."""
    return sum(
        sum(int(np.count_nonzero(~np.isnan(values))) for values in batch.columns.values())
        + sum(int(digests.count.sum()) for digests in batch.observed.values())
        for batch in batches
    )


def _batch(
    at_seconds: float,
    subjects: Sequence[str],
    columns: Mapping[str, Sequence[float]],
    kinds: Mapping[str, Kind],
) -> Batch:
    known = {
        metric: np.array(values, np.float64)
        for metric, values in columns.items()
        if not all(map(math.isnan, values))
    }
    own = {metric: kinds[metric] for metric in known if metric in kinds}
    return Batch(at_seconds, tuple(subjects), known, own)


def _of_node(node: NodeObservation | NodeUnobserved, metric: Metric) -> float:
    return _value(node.metrics.get(metric)) if isinstance(node, NodeObservation) else math.nan


def _value(reading: Reading | None) -> float:
    return math.nan if reading is None or reading.value is None else reading.value


def _serves(agent: AgentObservation) -> float:
    if agent.state is AgentState.UNKNOWN:
        return math.nan
    return float(agent.state is AgentState.RUNNING and agent.ready is not False)
