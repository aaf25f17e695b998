"""How fast an error budget is used up, and when that is an alert."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phoenixctl.metrics.alert_burn import bucketed, burn_rates
from phoenixctl.metrics.alert_questions import questions
from phoenixctl.metrics.alerting import Evaluation
from phoenixctl.metrics.series import Tier
from phoenixctl.model.alerting import Burn, BurnRule, Severity, Status
from tests.unit.metrics.measured import NOON, Points, evaluated, history, told

HOUR = 3600
RULE = BurnRule("budget", "error_rate", objective=0.999)  # a budget of 0.1 %
FAST = replace(RULE, windows=RULE.windows[:1])  # 14.4 times, over 1 h and 5 min


def each_minute(*spans: tuple[int, float]) -> Points:
    """So many minutes with this share of errors, one span after the other."""
    values = [share for minutes, share in spans for _ in range(minutes)]
    return {minute * 60.0: share for minute, share in enumerate(values)}


def burning(points: Points, rule: BurnRule = RULE, *, now: float | None = None) -> Evaluation:
    return evaluated(
        rule, {"error_rate": {"web-1": points}}, now=max(points) if now is None else now
    )


def statuses(evaluation: Evaluation) -> list[Status]:
    return [standing.status for standing in evaluation.standings.values()]


def test_a_fast_burn_is_critical_within_minutes() -> None:
    # 60 times too fast: after 15 min of the hour, more than 14.4 times on the average.
    found = burning(each_minute((60, 0.0), (16, 0.06)), FAST)
    assert statuses(found) == [Status.CRITICAL]
    [alert] = found.alerts
    assert "uses up its error budget of error_rate" in alert.summary
    assert statuses(burning(each_minute((60, 0.0), (14, 0.06)), FAST)) == [Status.OK]


def test_it_ends_soon_after_the_errors_have_although_the_hour_is_not_over() -> None:
    firing = burning(each_minute((60, 0.0), (20, 0.06)), FAST)
    over = each_minute((60, 0.0), (20, 0.06), (6, 0.0))
    found = evaluated(FAST, {"error_rate": {"web-1": over}}, now=max(over), before=firing)
    assert [change[2:] for change in told(found)] == [("critical", "ok")]


def test_six_times_too_fast_is_told_by_six_hours() -> None:
    slow = each_minute((5 * 60, 0.0), (3 * 60, 0.013))
    assert statuses(burning(slow)) == [Status.CRITICAL]
    assert statuses(burning(slow, FAST)) == [Status.OK]


def test_a_slow_burn_is_a_warning_and_none_that_lasts_as_long_as_the_budget() -> None:
    days = 3 * 24 * 60
    assert statuses(burning(each_minute((days, 0.002)))) == [Status.WARNING]
    assert statuses(burning(each_minute((days, 0.0009)))) == [Status.OK]


def test_a_young_fleet_is_not_judged_by_a_few_values() -> None:
    assert statuses(burning({0.0: 1.0, 30.0: 1.0})) == [Status.OK]
    assert statuses(burning(each_minute((6, 1.0)))) == [Status.CRITICAL]


def test_a_fleet_that_is_measured_seldom_is_judged_all_the_same() -> None:
    each_quarter = {at: share for at, share in each_minute((120, 0.06)).items() if at % 900 == 0}
    assert statuses(burning(each_quarter, replace(FAST, no_data_seconds=None))) == [Status.CRITICAL]


def test_availability_is_the_share_that_went_well() -> None:
    rule = replace(RULE, metric="availability", good=True)
    values = {"availability": {"*": each_minute((60, 1.0), (20, 0.9))}}
    found = evaluated(rule, values, now=80 * 60)
    assert [alert.subject for alert in found.alerts] == ["*"]


def test_with_a_weight_errors_of_a_quiet_time_count_little() -> None:
    rule = replace(RULE, weight="throughput")
    errors = each_minute((30, 0.0), (20, 0.06))
    busy = {at: 1000.0 if at < 30 * 60 else 1.0 for at in errors}
    metrics = {"error_rate": {"web-1": errors}, "throughput": {"web-1": busy}}
    assert statuses(evaluated(rule, metrics, now=max(errors))) == [Status.OK]
    even = {**metrics, "throughput": {"web-1": dict.fromkeys(errors, 5.0)}}
    assert statuses(evaluated(rule, even, now=max(errors))) == [Status.CRITICAL]


def test_who_stops_telling_is_without_data_and_not_without_errors() -> None:
    points = each_minute((60, 0.0), (20, 0.06))
    firing = burning(points)
    silent = evaluated(
        RULE, {"error_rate": {"web-1": points}}, now=max(points) + 600, before=firing
    )
    assert [change[2:] for change in told(silent)] == [("critical", "no_data")]


def test_windows_of_ones_own() -> None:
    rule = replace(RULE, windows=(Burn(2.0, 600.0, 120.0, Severity.WARNING),))
    assert statuses(burning(each_minute((10, 0.003)), rule)) == [Status.WARNING]
    [asked] = questions([rule], {}, NOON)
    assert (asked.start, asked.tier) == (NOON - 600, Tier.SECOND)


def test_long_windows_are_read_from_what_is_kept_so_long() -> None:
    assert {(q.tier, NOON - q.start) for q in questions([RULE], {}, NOON)} == {
        (Tier.SECOND, 2 * HOUR),
        (Tier.MINUTE, 72 * HOUR),
    }


def test_a_minute_with_many_values_counts_no_more_than_one_with_few() -> None:
    dense = dict.fromkeys(range(60), 1.0) | {60.0: 0.0, 120.0: 0.0}
    made = bucketed([history({"a": dense})], ["a"], start=NOON, until=NOON + 120)
    rates = burn_rates(replace(RULE, objective=0.5), made, None, seconds=180.0, least_seconds=60.0)
    assert rates[0] == pytest.approx(2 / 3)


def test_the_finer_history_is_taken_where_there_is_one() -> None:
    fine, coarse = history({"a": {60.0: 1.0}}), history({"a": {0.0: 5.0, 60.0: 7.0}, "b": {0: 3}})
    made = bucketed([fine, coarse], ["a", "b"], start=NOON, until=NOON + 60)
    np.testing.assert_array_equal(made.values, [[5.0, 3.0], [1.0, np.nan]])
