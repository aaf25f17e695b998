"""Compliance and deviation against the specification's formulas, computed by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.fleet import Targets
from phoenixctl.model.reading import Reading, unknown
from phoenixctl.performance.compliance import (
    OBJECTIVES,
    Better,
    assess,
    compliance,
    deviation,
    fleet_compliance,
    targets_by_name,
)

NOTHING = unknown("not measured", at=0.0)
ALL_UNKNOWN = {objective.name: NOTHING for objective in OBJECTIVES}

# better, current, target, compliance, deviation
BY_HAND = [
    pytest.param(Better.LOWER, 0.050, 0.050, 1.0, 0.0, id="p95 exactly on target"),
    pytest.param(Better.LOWER, 0.010, 0.050, 1.0, 0.0, id="p95 below target"),
    pytest.param(Better.LOWER, 0.100, 0.050, 0.5, 1.0, id="p95 of twice the target"),
    pytest.param(Better.LOWER, 0.200, 0.050, 0.25, 3.0, id="p95 of four times the target"),
    pytest.param(Better.HIGHER, 10_000, 10_000, 1.0, 0.0, id="throughput exactly on target"),
    pytest.param(Better.HIGHER, 20_000, 10_000, 1.0, 0.0, id="more throughput is never too much"),
    pytest.param(Better.HIGHER, 2_500, 10_000, 0.25, 0.75, id="a quarter of the throughput"),
    pytest.param(Better.HIGHER, 0.0, 10_000, 0.0, 1.0, id="no throughput"),
    pytest.param(Better.NEAR, 0.75, 0.75, 1.0, 0.0, id="utilisation at its optimum"),
    pytest.param(Better.NEAR, 0.375, 0.75, 0.5, 0.5, id="half of the optimum"),
    pytest.param(Better.NEAR, 0.9, 0.75, 0.8, 0.2, id="a fifth above the optimum"),
    pytest.param(Better.NEAR, 0.0, 0.75, 0.0, 1.0, id="idle"),
    pytest.param(Better.NEAR, 2.0, 0.75, 0.0, 5 / 3, id="below 0 by the formula, so 0"),
]  # fmt: skip


@pytest.mark.parametrize(("better", "current", "target", "complies", "deviates"), BY_HAND)
def test_a_value_complies_and_deviates_as_the_specification_says(
    better: Better, current: float, target: float, complies: float, deviates: float
) -> None:
    assert math.isclose(compliance(better, current, target), complies, abs_tol=1e-12)
    assert math.isclose(deviation(better, current, target), deviates, abs_tol=1e-12)


@given(
    st.sampled_from(Better),
    st.floats(0, 1e6, allow_nan=False),
    st.floats(1e-3, 1e6, allow_nan=False),
)
def test_compliance_is_a_share_and_full_exactly_where_nothing_deviates(
    better: Better, current: float, target: float
) -> None:
    complies, deviates = compliance(better, current, target), deviation(better, current, target)
    assert 0.0 <= complies <= 1.0
    assert deviates >= 0.0
    if deviates == 0.0:
        assert complies == 1.0
    if complies < 1.0:
        assert deviates > 0.0


@given(st.sampled_from(Better), st.floats(0.1, 10.0), st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_a_value_that_deviates_more_on_one_side_never_complies_better(
    better: Better, one: float, other: float, target: float
) -> None:
    if (one - target) * (other - target) <= 0:
        return
    near, far = sorted((one, other), key=lambda value: deviation(better, value, target))
    assert compliance(better, far, target) <= compliance(better, near, target) + 1e-9


def test_an_unknown_value_has_neither_compliance_nor_deviation() -> None:
    rows = assess(Targets(), ALL_UNKNOWN)
    assert [(row.compliance, row.deviation) for row in rows] == [(None, None)] * 5
    assert fleet_compliance(rows) is None


def test_the_fleet_complies_by_the_mean_of_what_is_known() -> None:
    current = {
        **ALL_UNKNOWN,
        "agent_response_time_p95": Reading(0.100, 0.0),  # 0.5
        "message_throughput": Reading(10_000.0, 0.0),  # 1.0
        "resource_utilization": Reading(0.375, 0.0),  # 0.5
    }
    overall = fleet_compliance(assess(Targets(), current))
    assert overall is not None
    assert math.isclose(overall, 2.0 / 3.0)


def test_the_defaults_are_the_targets_of_the_specification() -> None:
    assert targets_by_name(Targets()) == {
        "agent_response_time_p95": 0.050,
        "message_throughput": 10_000.0,
        "cluster_availability": 0.999,
        "resource_utilization": 0.75,
        "scaling_response_time": 30.0,
    }
    assert [o.name for o in OBJECTIVES] == list(targets_by_name(Targets()))
