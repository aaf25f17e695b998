"""The verdict on a fleet."""

from __future__ import annotations

from math import inf, isclose

import pytest

from phoenixctl.model.errors import HostKeyChanged
from phoenixctl.model.names import NodeName
from phoenixctl.model.reading import AgentMetric, Metric
from phoenixctl.model.snapshot import AgentState
from phoenixctl.performance.verdict import (
    Finding,
    Level,
    Severity,
    Verdict,
    current_readings,
    judge,
    worst_first,
)
from tests.builders import agent, fleet, histogram, node, seen, silent, snapshot, spec

A, B, C = NodeName("a"), NodeName("b"), NodeName("c")
THREE = fleet(node("a"), node("b"), node("c"))
ONE_AGENT = fleet(node("a"), node("b"), agents=[spec("web")])


def about(verdict: Verdict, name: str) -> list[Finding]:
    return [f for f in verdict.findings if f.about == name]


def test_a_fleet_without_trouble_is_healthy_and_nothing_is_found() -> None:
    assert judge(THREE, snapshot(seen("a"), seen("b"), seen("c"))) == Verdict(Level.HEALTHY, ())


def test_one_silent_node_degrades_the_fleet_and_is_named_with_its_reason() -> None:
    changed = silent("b", HostKeyChanged("the key of b has changed\nold …\nnew …"))
    verdict = judge(THREE, snapshot(seen("a"), changed, seen("c")))
    assert verdict.level is Level.DEGRADED
    assert verdict.findings == (Finding(Severity.CRITICAL, "b", "the key of b has changed", B),)


def test_a_fleet_of_which_no_node_answers_is_down() -> None:
    assert judge(THREE, snapshot(silent("a"), silent("b"), silent("c"))).level is Level.DOWN


@pytest.mark.parametrize(
    ("metric", "fine", "too_much", "words"),
    [
        (Metric.CPU, 0.80, 0.81, "CPU at 81%"),
        (Metric.MEMORY, 0.85, 0.86, "memory at 86%"),
        (Metric.DISK, 0.90, 0.91, "disk at 91%"),
        (Metric.ERROR_RATE, 0.05, 0.06, "error rate at 6%"),
    ],
)
def test_a_node_is_degraded_above_a_limit_and_not_at_it(
    metric: Metric, fine: float, too_much: float, words: str
) -> None:
    good, bad = seen("a", metrics={metric: fine}), seen("a", metrics={metric: too_much})
    assert judge(THREE, snapshot(good)).level is Level.HEALTHY
    assert judge(THREE, snapshot(bad)).findings == (Finding(Severity.WARNING, "a", words, A),)


def test_a_cordon_is_worth_a_note_and_no_degradation() -> None:
    verdict = judge(THREE, snapshot(seen("a", cordoned="new disk")))
    assert verdict.level is Level.HEALTHY
    assert verdict.findings == (Finding(Severity.NOTE, "a", "cordoned by op@here: new disk", A),)


def test_a_node_is_slow_when_its_p95_is_twice_the_median_of_the_others_and_over_target() -> None:
    p95 = {"a": 0.060, "b": 0.030, "c": 0.020}
    nodes = [seen(n, metrics={Metric.RESPONSE_P95: value}) for n, value in p95.items()]
    verdict = judge(THREE, snapshot(*nodes))
    assert [(f.about, f.what) for f in verdict.findings] == [
        ("a", "slow: p95 60ms, 2x the fleet's median")
    ]


@pytest.mark.parametrize(
    "p95",
    [
        pytest.param({"a": 0.049, "b": 0.001}, id="many times the median but on target"),
        pytest.param({"a": 0.200, "b": 0.190, "c": 0.195}, id="all over target alike"),
        pytest.param({"a": 5.0}, id="nobody to compare with"),
    ],
)
def test_a_node_is_not_called_slow_without_both_reasons(p95: dict[str, float]) -> None:
    nodes = [seen(n, metrics={Metric.RESPONSE_P95: value}) for n, value in p95.items()]
    assert not [f for f in judge(THREE, snapshot(*nodes)).findings if "slow" in f.what]


def test_a_failed_agent_is_critical_and_says_where_and_why() -> None:
    failed = agent("web-0", AgentState.FAILED, detail="exit status 1")
    verdict = judge(ONE_AGENT, snapshot(seen("a", failed), seen("b")))
    assert verdict.level is Level.DEGRADED
    assert about(verdict, "web-0") == [
        Finding(Severity.CRITICAL, "web-0", "failed on a: exit status 1", A)
    ]


def test_an_agent_that_runs_twice_is_critical() -> None:
    twice = snapshot(seen("a", agent("web-0")), seen("b", agent("web-0")))
    [finding] = judge(ONE_AGENT, twice).findings
    assert (finding.severity, finding.what) == (Severity.CRITICAL, "runs 2 times: on a and b")


def test_a_stopped_copy_beside_a_running_one_is_no_trouble() -> None:
    copies = snapshot(seen("a", agent("web-0", AgentState.STOPPED)), seen("b", agent("web-0")))
    assert judge(ONE_AGENT, copies).level is Level.HEALTHY


def test_an_agent_that_is_not_ready_degrades_the_fleet() -> None:
    verdict = judge(ONE_AGENT, snapshot(seen("a", agent("web-0", ready=False)), seen("b")))
    assert [f.what for f in verdict.findings] == ["not ready on a"]
    assert verdict.level is Level.DEGRADED


def test_a_missing_agent_may_be_on_the_node_that_does_not_answer() -> None:
    verdict = judge(ONE_AGENT, snapshot(seen("a"), silent("b")))
    assert about(verdict, "agents") == [
        Finding(Severity.WARNING, "agents", "web-0: on no node that answers")
    ]


def test_a_fleet_on_which_nothing_was_started_yet_is_healthy() -> None:
    verdict = judge(ONE_AGENT, snapshot(seen("a"), seen("b")))
    assert verdict.level is Level.HEALTHY
    assert [f.what for f in verdict.findings] == ["web-0: on no node"]


def test_many_missing_agents_are_counted_and_not_all_listed() -> None:
    many = fleet(node("a"), agents=[spec("web", replicas=7)])
    [finding] = judge(many, snapshot(seen("a", agent("web-6")))).findings
    assert finding.what == "web-0, web-1, web-2, web-3 and 2 more: on no node"


def test_a_wanted_agent_that_somebody_stopped_is_a_warning() -> None:
    verdict = judge(ONE_AGENT, snapshot(seen("a", agent("web-0", AgentState.STOPPED)), seen("b")))
    assert verdict.findings == (Finding(Severity.WARNING, "agents", "web-0: stopped"),)


@pytest.mark.parametrize("stray", ["old-0", "web-1"])
def test_an_agent_that_left_the_configuration_is_noted(stray: str) -> None:
    verdict = judge(ONE_AGENT, snapshot(seen("a", agent("web-0"), agent(stray)), seen("b")))
    assert verdict.level is Level.HEALTHY
    assert about(verdict, stray) == [
        Finding(Severity.NOTE, stray, "on a, but not in the configuration", A)
    ]


def test_findings_come_gravest_first() -> None:
    looked = snapshot(seen("a", cordoned="x"), seen("b", metrics={Metric.CPU: 0.99}), silent("c"))
    assert [f.severity for f in judge(THREE, looked).findings] == [
        Severity.CRITICAL, Severity.WARNING, Severity.NOTE,
    ]  # fmt: skip


def test_the_worst_node_comes_first_then_the_busiest_then_by_name() -> None:
    five = fleet(*(node(n) for n in "abcde"))
    looked = snapshot(
        seen("a"), seen("e"), seen("b", metrics={Metric.CPU: 0.7}),
        silent("d"), seen("c", metrics={Metric.DISK: 0.95}),
    )  # fmt: skip
    assert [n.name for n in worst_first(looked, judge(five, looked))] == ["d", "c", "b", "a", "e"]


# Current values of the targets.


def test_p95_of_the_fleet_comes_from_all_observations_and_not_from_averages() -> None:
    fast = agent("web-0", responses=histogram(90, 90, 90, bounds=(0.01, 0.1, inf)))
    slow = agent("web-1", responses=histogram(0, 10, 10, bounds=(0.01, 0.1, inf)))
    reading = current_readings(snapshot(seen("a", fast, slow)), {})["agent_response_time_p95"]
    assert reading.value is not None
    assert isclose(reading.value, 0.01 + 0.09 * 5 / 10)  # rank 95: 5 of the 10 slow ones


def test_throughput_is_the_sum_over_agents_that_report_one() -> None:
    flows = [agent(f"web-{n}", metrics={AgentMetric.THROUGHPUT: 10.0 * n}) for n in (1, 2)]
    looked = snapshot(seen("a", flows[0], agent("web-3")), seen("b", flows[1]))
    assert current_readings(looked, {})["message_throughput"].value == 30.0


def test_utilisation_is_the_busier_resource_of_each_node_averaged() -> None:
    looked = snapshot(
        seen("a", metrics={Metric.CPU: 0.8, Metric.MEMORY: 0.1}),
        seen("b", metrics={Metric.CPU: 0.1, Metric.MEMORY: 0.4}),
        silent("c"),
    )
    value = current_readings(looked, {})["resource_utilization"].value
    assert value is not None
    assert isclose(value, 0.6)


def test_availability_is_the_product_over_nodes() -> None:
    looked = snapshot(seen("a"), seen("b"))
    value = current_readings(looked, {A: 0.9, B: 0.5})["cluster_availability"].value
    assert value is not None
    assert isclose(value, 0.45)


def test_what_nobody_reports_is_unknown_with_a_reason_and_never_nought() -> None:
    current = current_readings(snapshot(silent("a")), {})
    assert {name: reading.value for name, reading in current.items()} == dict.fromkeys(current)
    assert all(reading.why for reading in current.values())
