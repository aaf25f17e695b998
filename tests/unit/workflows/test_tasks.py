"""When a wait is over: only by what is known."""

from __future__ import annotations

import pytest

from phoenixctl.model.names import NodeName
from phoenixctl.model.playbook import Wait
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.snapshot import AgentState
from phoenixctl.workflows.tasks import unmet
from tests.builders import agent, seen, silent, snapshot

A, B = NodeName("a"), NodeName("b")
CALM = Wait("cpu_utilization", below=0.5, nodes=(A, B))


def test_it_is_over_when_every_node_is_there() -> None:
    quiet, busy = seen("a", metrics={Metric.CPU: 0.4}), seen("b", metrics={Metric.CPU: 0.5})
    assert list(unmet(CALM, snapshot(quiet, busy))) == ["cpu_utilization of b is 0.5"]
    above = Wait("cpu_utilization", above=0.4, nodes=(A, B))
    assert list(unmet(above, snapshot(quiet, busy))) == ["cpu_utilization of a is 0.4"]
    assert list(unmet(Wait("cpu_utilization", below=0.51, nodes=(A, B)),
                      snapshot(quiet, busy))) == []  # fmt: skip


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (silent("b"), "b does not answer"),
        (seen("b", metrics={}), "memory_total of b is 8.58993e+09"),
    ],
)
def test_what_is_not_known_is_not_there(other: object, said: str) -> None:
    wait = Wait("memory_total", above=1e12, nodes=(B,))
    assert list(unmet(wait, snapshot(seen("a"), other))) == [said]  # type: ignore[arg-type]
    unread = Wait("network_utilization", below=0.5, nodes=(A,))
    assert list(unmet(unread, snapshot(seen("a")))) == [
        "network_utilization of a is not known (not measured)"
    ]


def test_agents_are_looked_for_everywhere_and_have_to_be_there() -> None:
    slow = agent("web-1", metrics={AgentMetric.UPTIME: 5.0})
    old = agent("web-0", metrics={AgentMetric.UPTIME: 50.0})
    other = agent("db-0", metrics={AgentMetric.UPTIME: 1.0})
    wait = Wait("uptime", above=30.0, agents=("web",))
    assert list(unmet(wait, snapshot(seen("a", old, other), seen("b", slow)))) == [
        "uptime of web-1 is 5"
    ]
    assert list(unmet(wait, snapshot(seen("a", old)))) == []
    assert list(unmet(wait, snapshot(seen("a", other)))) == ["no agent of web was found"]
    assert list(unmet(wait, snapshot(seen("a", old), silent("b")))) == ["b does not answer"]
    former = agent("web-0", AgentState.STOPPED)
    assert list(unmet(wait, snapshot(seen("a", old), seen("b", former)))) == []
    assert list(unmet(wait, snapshot(seen("b", former)))) == ["web-0 does not run"]
    without = agent("web-2")
    assert list(unmet(wait, snapshot(seen("a", without)))) == ["uptime of web-2 is not known"]
