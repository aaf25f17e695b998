"""What was seen becomes batches; what is unknown is never 0."""

from __future__ import annotations

import numpy as np

from phoenixctl.metrics.gathered import UP, batches_of, batches_of_samples
from phoenixctl.metrics.subjects import FLEET, agent_of, agent_subject, node_of
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.snapshot import AgentState
from tests.builders import agent, seen, silent, snapshot


def test_a_node_that_is_silent_is_down_and_unknown_in_all_else() -> None:
    nodes, agents = batches_of(
        snapshot(seen("a", agent("web-0"), metrics={Metric.CPU: 0.5}), silent("b")), at_seconds=7.0
    )
    assert nodes.at_seconds == 7.0
    assert nodes.subjects == ("a", "b")
    assert nodes.columns[UP].tolist() == [1.0, 0.0]
    cpu = nodes.columns["cpu_utilization"]
    assert cpu[0] == np.float32(0.5)
    assert np.isnan(cpu[1])
    assert "throughput" not in nodes.columns  # nobody knows it
    assert agents.subjects == ("a/web-0",)


def test_an_agent_is_up_when_it_serves() -> None:
    found = snapshot(
        seen(
            "a",
            agent("web-0", metrics={AgentMetric.RSS: 2.0**30}),
            agent("web-1", ready=False),
            agent("web-2", AgentState.FAILED),
            agent("web-3", AgentState.UNKNOWN),
        )
    )
    _, agents = batches_of(found, at_seconds=1.0)
    assert agents.columns[UP][:3].tolist() == [1.0, 0.0, 0.0]
    assert np.isnan(agents.columns[UP][3])
    assert agents.columns["rss"][0] == 2.0**30


def test_a_fleet_without_agents_has_one_batch() -> None:
    assert len(batches_of(snapshot(seen("a")), at_seconds=1.0)) == 1


def test_metrics_of_the_same_subjects_share_a_batch() -> None:
    samples = {"x": {"b": 2.0, "a": 1.0}, "y": {"a": 3.0, "b": 4.0}, "z": {"a": 5.0}}
    both, alone = batches_of_samples(samples, at_seconds=1.0)
    assert both.subjects == ("a", "b")
    assert {name: values.tolist() for name, values in both.columns.items()} == {
        "x": [1.0, 2.0],
        "y": [3.0, 4.0],
    }
    assert alone.subjects == ("a",)


def test_a_subject_says_its_node_and_its_agent() -> None:
    subject = agent_subject("web-1", "ingest-0")
    assert (node_of(subject), agent_of(subject)) == ("web-1", "ingest-0")
    assert (node_of("web-1"), agent_of("web-1")) == ("web-1", None)
    assert (node_of(FLEET), agent_of(FLEET)) == (None, None)
