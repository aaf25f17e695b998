"""When an alert begins, goes on and ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.metrics.alert_rules import DEFAULT_RULES, rules_of, usual_clear
from phoenixctl.metrics.alerting import FORGOTTEN_SECONDS, Evaluation
from phoenixctl.model.alerting import (
    AlertSettings,
    Direction,
    Level,
    Of,
    OnNoData,
    Status,
    ThresholdRule,
)
from tests.unit.metrics.measured import NOON, Points, evaluated, told

RULE = ThresholdRule("load", "load", warning=Level(10, 8), critical=Level(20, 16))


def of_one(rule: ThresholdRule, points: Points, *, now: float | None = None) -> Evaluation:
    return evaluated(rule, {"load": {"web-1": points}}, now=max(points) if now is None else now)


def status(evaluation: Evaluation, subject: str = "web-1") -> Status:
    return evaluation.standings["load", subject].status


def every_second(*values: float) -> Points:
    return dict(enumerate(values))


def test_a_value_beyond_a_level_is_an_alert_and_one_beyond_the_worse_level_a_worse_one() -> None:
    found = of_one(RULE, every_second(9, 11, 21, 12, 7))
    assert told(found) == [
        (1, "web-1", "ok", "warning"),
        (2, "web-1", "warning", "critical"),
        (3, "web-1", "critical", "warning"),
        (4, "web-1", "warning", "ok"),
    ]
    assert found.alerts == ()


def test_between_its_levels_an_alert_goes_on_and_none_begins() -> None:
    assert told(of_one(RULE, every_second(9, 10, 9))) == []
    assert status(of_one(RULE, every_second(11, 9, 10, 8.5))) is Status.WARNING
    assert status(of_one(RULE, every_second(11, 8))) is Status.OK


def test_an_alert_says_who_what_and_since_when() -> None:
    [alert] = of_one(replace(RULE, labels={"team": "web"}), every_second(1, 25, 17)).alerts
    assert alert.key == ("load", "web-1")
    assert alert.status is Status.CRITICAL
    assert alert.since == NOON + 1
    assert (alert.value, alert.at) == (17, NOON + 2)
    assert alert.summary == "load of web-1 is 17, above 20"
    assert alert.labels == {
        "rule": "load", "metric": "load", "severity": "critical", "subject": "web-1",
        "node": "web-1", "pool": "main", "fleet": "test", "rack": "r1", "team": "web",
    }  # fmt: skip


def test_below_is_the_other_way_round() -> None:
    rule = replace(RULE, direction=Direction.BELOW, warning=Level(10, 12), critical=Level(5, 6))
    found = of_one(rule, every_second(11, 9, 11, 4, 13))
    assert [change[3] for change in told(found)] == ["warning", "critical", "ok"]


def test_it_fires_only_after_it_was_beyond_the_level_for_so_long() -> None:
    rule = replace(RULE, for_seconds=3)
    assert told(of_one(rule, every_second(11, 11, 11))) == []
    assert status(of_one(rule, every_second(11, 11, 11))) is Status.PENDING
    assert told(of_one(rule, every_second(11, 11, 9, 11, 11, 11))) == []
    assert told(of_one(rule, every_second(11, 11, 11, 11))) == [(3, "web-1", "ok", "warning")]


def test_it_goes_on_firing_until_the_value_was_clear_for_so_long() -> None:
    rule = replace(RULE, keep_firing_seconds=2)
    assert told(of_one(rule, every_second(11, 7, 7, 9, 7, 7))) == [(0, "web-1", "ok", "warning")]
    assert told(of_one(rule, every_second(11, 7, 7, 7)))[-1] == (3, "web-1", "warning", "ok")


def test_a_value_that_is_the_level_to_the_bit_is_not_beyond_it() -> None:
    rule = ThresholdRule("load", "load", warning=Level(0.8, 0.8))
    assert status(of_one(rule, every_second(0.8))) is Status.OK
    assert status(of_one(rule, every_second(0.80001))) is Status.WARNING


def test_a_subject_that_has_gone_silent_is_a_state_of_its_own() -> None:
    rule = replace(RULE, no_data_seconds=60)
    first = of_one(rule, every_second(1, 2), now=30)
    assert status(first) is Status.OK
    silent = evaluated(rule, {}, now=90, before=first)
    assert told(silent) == [(61, "web-1", "ok", "no_data")]
    [alert] = silent.alerts
    assert (alert.status, alert.since) == (Status.NO_DATA, NOON + 61)
    again = evaluated(rule, {"load": {"web-1": {100: 3}}}, now=100, before=silent)
    assert told(again) == [(100, "web-1", "no_data", "ok")]


def test_who_never_had_a_value_lacks_none() -> None:
    found = evaluated(RULE, {"load": {"web-1": {0: 1}, "web-2": {}}}, now=4000)
    assert [subject for _, subject in found.standings] == []
    found = evaluated(RULE, {"load": {"web-1": {0: 1}, "web-2": {0: float("nan")}}}, now=10)
    assert [subject for _, subject in found.standings] == ["web-1"]


def test_silence_is_no_recovery() -> None:
    rule = replace(RULE, no_data_seconds=60)
    firing = of_one(rule, every_second(25))
    silent = evaluated(rule, {}, now=100, before=firing)
    assert told(silent) == [(60, "web-1", "critical", "no_data")]
    still = evaluated(rule, {"load": {"web-1": {101: 17}}}, now=101, before=silent)
    assert told(still) == [(101, "web-1", "no_data", "critical")]


def test_what_was_about_to_fire_begins_anew_after_a_gap() -> None:
    rule = replace(RULE, for_seconds=100, no_data_seconds=60)
    assert told(of_one(rule, {0: 11, 50: 11, 99: 11, 170: 11, 200: 11})) == []
    assert told(of_one(rule, {0: 11, 50: 11, 99: 11, 150: 11})) == [(150, "web-1", "ok", "warning")]


def test_where_no_data_is_not_asked_for_there_is_no_such_state() -> None:
    rule = replace(RULE, no_data_seconds=None)
    found = evaluated(rule, {}, now=9000, before=of_one(rule, every_second(1)))
    assert status(found) is Status.OK


def test_a_node_that_left_the_fleet_has_no_alert_any_more() -> None:
    rule = replace(RULE, name="load")
    gone = evaluated(rule, {"load": {"old-7": {0: 25}, "web-1": {0: 1}}}, now=0)
    assert [subject for _, subject in gone.standings] == ["web-1"]


def test_an_alert_whose_rule_is_gone_is_over() -> None:
    firing = of_one(RULE, every_second(25))
    found = evaluated([], {}, now=5, before=firing)
    assert told(found) == [(5, "web-1", "critical", "ok")]
    assert found.standings == {}


def test_an_agent_that_moved_is_not_missed_where_it_was() -> None:
    rule = replace(RULE, no_data_seconds=60)
    first = evaluated(rule, {"load": {"web-1/a-0": {0: 25}}}, now=0)
    values = {"load": {"web-1/a-0": {0: 25}, "web-2/a-0": {90: 1}}}
    moved = evaluated(rule, values, now=90, before=first)
    assert [subject for _, subject in moved.standings] == ["web-2/a-0"]
    assert told(moved) == [(90, "web-1/a-0", "critical", "ok")]
    assert told(evaluated(rule, values, now=91, before=moved)) == []


def test_where_silence_is_the_end_what_fired_is_over_and_stays_so() -> None:
    rule = replace(RULE, no_data_seconds=60, on_no_data=OnNoData.END)
    values = {"load": {"web-1": {0: 25}, "web-2": {0: 1, 50: 1}}}
    firing = evaluated(rule, values, now=50)
    assert [alert.subject for alert in firing.alerts] == ["web-1"]
    over = evaluated(rule, values, now=60, before=firing)
    assert told(over) == [(60, "web-1", "critical", "ok")]
    assert told(evaluated(rule, values, now=61, before=over)) == []


def test_what_has_been_silent_for_a_day_is_not_waited_for() -> None:
    first = of_one(RULE, every_second(1))
    silent = evaluated(RULE, {}, now=1000, before=first)
    gone = evaluated(RULE, {}, now=FORGOTTEN_SECONDS + 1, before=silent)
    assert gone.standings == {}
    assert told(gone) == [(FORGOTTEN_SECONDS + 1, "web-1", "no_data", "ok")]


@pytest.mark.parametrize(
    ("of", "whose"),
    [
        (Of.ALL, ["*", "db-1", "web-1", "web-1/a-0"]),
        (Of.NODES, ["db-1", "web-1"]),
        (Of.AGENTS, ["web-1/a-0"]),
        (Of.FLEET, ["*"]),
    ],
)
def test_a_rule_is_about_those_that_it_names(of: Of, whose: list[str]) -> None:
    values = {"load": {subject: {0: 25.0} for subject in ("*", "web-1", "web-1/a-0", "db-1")}}
    found = evaluated(replace(RULE, of=of), values, now=0)
    assert [alert.subject for alert in found.alerts] == whose
    pool = evaluated(replace(RULE, of=of, pools=("db",)), values, now=0)
    assert [alert.subject for alert in pool.alerts] == [s for s in whose if s == "db-1"]


def test_a_late_value_of_one_node_counts_although_others_were_newer() -> None:
    first = evaluated(RULE, {"load": {"web-1": {10: 1}, "web-2": {8: 1}}}, now=10)
    values = {"load": {"web-1": {10: 1}, "web-2": {8: 1, 9: 25}}}
    assert told(evaluated(RULE, values, now=11, before=first)) == [(9, "web-2", "ok", "critical")]


def test_the_default_rules_are_those_of_the_specification() -> None:
    levels = {
        rule.metric: (rule.warning and rule.warning.at, rule.critical and rule.critical.at)
        for rule in DEFAULT_RULES
    }
    assert levels == {
        "cpu_utilization": (0.8, 0.95),
        "memory_utilization": (0.85, 0.95),
        "response_time_mean": (0.1, 0.5),
        "error_rate": (0.05, 0.1),
    }


def test_a_rule_of_ones_own_takes_the_place_of_the_default_of_its_name() -> None:
    own = replace(RULE, name="cpu")
    names = [rule.name for rule in rules_of(AlertSettings(rules={"cpu": own}))]
    assert names == ["memory", "response-time", "error-rate", "cpu"]
    assert rules_of(AlertSettings(defaults=False, rules={"cpu": own})) == (own,)
    assert rules_of(None) == DEFAULT_RULES


def test_a_clear_level_that_nobody_said_is_a_tenth_back() -> None:
    assert usual_clear(10, Direction.ABOVE) == 9
    assert usual_clear(10, Direction.BELOW) == 11
    assert usual_clear(-10, Direction.ABOVE) == -11


# Whatever the values are.

VALUES = st.lists(st.sampled_from([5.0, 8.0, 8.5, 9.0, 9.5, 10.0, 10.5, 15.0]), min_size=1)
ONE_LEVEL = replace(RULE, critical=None)


@given(VALUES)
def test_it_never_flaps_between_the_clear_level_and_the_firing_one(values: list[float]) -> None:
    changes = told(of_one(ONE_LEVEL, every_second(*values)))
    for at, _, before, after in changes:
        value = values[int(at)]
        assert value > 10 if after == "warning" else value <= 8
        assert before != after
    assert [change[3] for change in changes] == ["warning", "ok"] * (len(changes) // 2) + [
        "warning"
    ] * (len(changes) % 2)


@given(VALUES, st.integers(0, 5), st.integers(0, 5))
def test_for_and_keep_firing_are_respected(values: list[float], wait: int, keep: int) -> None:
    rule = replace(ONE_LEVEL, for_seconds=wait, keep_firing_seconds=keep)
    for at, _, _, after in told(of_one(rule, every_second(*values))):
        lasted = wait if after == "warning" else keep
        assert at >= lasted
        span = values[int(at) - lasted : int(at) + 1]
        assert all(value > 10 if after == "warning" else value <= 8 for value in span)


@given(VALUES, st.integers(0, 4), st.integers(0, 4), st.sets(st.integers(0, 30)))
def test_how_often_it_is_evaluated_changes_no_alert(
    values: list[float], wait: int, keep: int, moments: set[int]
) -> None:
    rule = replace(ONE_LEVEL, for_seconds=wait, keep_firing_seconds=keep)
    points = every_second(*values)
    at_once = of_one(rule, points)
    last: Evaluation | None = None
    changes = []
    for now in sorted({m for m in moments if m < len(values)} | {len(values) - 1}):
        last = evaluated(rule, {"load": {"web-1": points}}, now=now, before=last)
        changes += told(last)
    assert last is not None
    assert changes == told(at_once)
    assert last.standings == at_once.standings
