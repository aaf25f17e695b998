"""How far one node misses the fleet's targets, so that the worst can come first."""

from __future__ import annotations

from phoenixctl.model.fleet import Targets
from phoenixctl.model.reading import Metric
from phoenixctl.model.snapshot import NodeObservation
from phoenixctl.performance.compliance import Better, deviation


def node_deviation(node: NodeObservation, targets: Targets) -> float | None:
    """The largest deviation of its response time, utilisation and availability; None when none of
    them is known.

    A node with room to spare misses nothing: of utilisation, only what is above the target counts.
    Utilisation is the busier of CPU and memory. Throughput is a target of all nodes together.
    """
    loads = [_known(node, metric) for metric in (Metric.CPU, Metric.MEMORY)]
    busy = [load for load in loads if load is not None]
    held = (
        (_known(node, Metric.RESPONSE_P95), Better.LOWER, targets.agent_response_time_p95_seconds),
        (max(busy, default=None), Better.LOWER, targets.resource_utilization),
        (_known(node, Metric.AVAILABILITY), Better.HIGHER, targets.cluster_availability),
    )
    found = [
        deviation(better, value, wanted) for value, better, wanted in held if value is not None
    ]
    return max(found, default=None)


def _known(node: NodeObservation, metric: Metric) -> float | None:
    reading = node.metrics.get(metric)
    return reading.value if reading else None
