"""A node's metrics from what its agents report."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from phoenixctl.model.histogram import Histogram
from phoenixctl.model.reading import AgentMetric, Metric, Reading
from phoenixctl.remote.fold import node_readings
from tests.unit.remote.survey_text import parsed, with_agent

(AGENT,) = parsed(with_agent()).agents


def agent(responses=None, **values):
    metrics = {AgentMetric[name.upper()]: Reading(value, 1.0) for name, value in values.items()}
    return replace(AGENT, metrics={**AGENT.metrics, **metrics}, responses=responses)


def times(fast, slow):
    """`fast` responses of 0.05 s, `slow` ones of 0.5 s."""
    return Histogram((0.1, 1.0, inf), (fast, fast + slow, fast + slow), fast * 0.05 + slow * 0.5)


def test_queues_and_throughput_add_up():
    readings = node_readings([agent(queue=3, throughput=10), agent(queue=4, throughput=30)], at=9)
    assert readings[Metric.QUEUE] == Reading(7, 9)
    assert readings[Metric.THROUGHPUT] == Reading(40, 9)


def test_response_times_are_of_all_messages_together():
    readings = node_readings(
        [agent(times(90, 0), throughput=9), agent(times(0, 10), throughput=1)], at=9
    )
    assert readings[Metric.RESPONSE_MEAN].value == pytest.approx((90 * 0.05 + 10 * 0.5) / 100)
    assert readings[Metric.RESPONSE_P95].value == pytest.approx(0.1 + 0.9 / 2)


def test_the_life_of_an_idle_agent_does_not_outweigh_what_others_do_now():
    readings = node_readings(
        [agent(times(10, 0), throughput=5), agent(times(0, 10**6), throughput=0)], at=9
    )
    assert readings[Metric.RESPONSE_MEAN].value == pytest.approx(0.05)


def test_idle_agents_alone_are_judged_by_their_life():
    readings = node_readings([agent(times(10, 0), throughput=0)], at=9)
    assert readings[Metric.RESPONSE_MEAN].value == pytest.approx(0.05)


def test_the_error_rate_weighs_agents_by_their_messages():
    readings = node_readings(
        [agent(error_rate=0.5, throughput=10), agent(error_rate=0.0, throughput=90)], at=9
    )
    assert readings[Metric.ERROR_RATE].value == pytest.approx(0.05)


def test_the_error_rate_of_idle_agents_is_their_plain_mean():
    readings = node_readings(
        [agent(error_rate=0.5, throughput=0), agent(error_rate=0.0, throughput=0)], at=9
    )
    assert readings[Metric.ERROR_RATE].value == 0.25


def test_where_only_some_report_it_is_said():
    readings = node_readings([agent(queue=3), agent()], at=9)
    assert readings[Metric.QUEUE] == Reading(3, 9, "1 of 2 agents report it")


@pytest.mark.parametrize("agents", [[], [agent()]])
def test_where_no_agent_reports_all_is_unknown(agents):
    readings = node_readings(agents, at=9)
    assert set(readings.values()) == {Reading(None, 9, "no agent reports it")}
    assert len(readings) == 5
