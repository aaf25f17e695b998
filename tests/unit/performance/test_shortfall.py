"""How far a node misses the targets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.fleet import Targets
from phoenixctl.model.reading import Metric, unknown
from phoenixctl.performance.shortfall import node_deviation
from tests.builders import NOW, seen

TARGETS = Targets(
    agent_response_time_p95_seconds=0.05, resource_utilization=0.75, cluster_availability=0.999
)


def test_a_node_that_meets_every_target_misses_none() -> None:
    idle = seen("a", metrics={Metric.CPU: 0.01, Metric.RESPONSE_P95: 0.05, Metric.AVAILABILITY: 1})
    assert node_deviation(idle, TARGETS) == 0.0


@pytest.mark.parametrize(
    ("metrics", "deviation"),
    [
        ({Metric.RESPONSE_P95: 0.1}, 1.0),
        ({Metric.CPU: 0.9}, 0.2),
        ({Metric.CPU: 0.1, Metric.MEMORY: 0.9}, 0.2),
        ({Metric.AVAILABILITY: 0.4995}, 0.5),
        ({Metric.RESPONSE_P95: 0.075, Metric.CPU: 0.9}, 0.5),  # the largest counts
    ],
)
def test_it_misses_what_is_on_the_wrong_side_of_a_target(
    metrics: dict[Metric, float], deviation: float
) -> None:
    assert node_deviation(seen("a", metrics=metrics), TARGETS) == pytest.approx(deviation)


def test_of_a_node_that_says_nothing_it_is_not_known() -> None:
    node = seen("a")
    mute = replace(node, metrics=dict.fromkeys(node.metrics, unknown("?", at=NOW)))
    assert node_deviation(node, TARGETS) == 0.0
    assert node_deviation(mute, TARGETS) is None
