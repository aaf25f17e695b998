"""An evaluation on real stores: what it reads, keeps and sends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.metrics.alert_round import Round
from phoenixctl.metrics.alert_words import Message
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import Batch
from phoenixctl.model.alerting import (
    SRE_BURNS,
    AlertSettings,
    BurnRule,
    Level,
    Program,
    Receiver,
    ThresholdRule,
)
from phoenixctl.model.errors import NotDelivered
from phoenixctl.model.fleet import Fleet
from phoenixctl.store.alerts import SqliteAlerts
from phoenixctl.store.metrics import SqliteMetrics
from phoenixctl.workflows.alerts import evaluate_and_tell
from tests.builders import fleet, node

NOON = 1_800_000_000.0


@dataclass
class Heard:
    """Takes messages, after the error that it is given for the first one."""

    error: Exception | None = None
    messages: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.messages.append(message)


@dataclass
class Place:
    metrics: SqliteMetrics
    alerts: SqliteAlerts
    fleet: Fleet
    heard: dict[str, Heard]

    def measured(self, at: float, value: float, kind: Kind = Kind.GAUGE) -> None:
        values = np.array([value], np.float64 if kind is Kind.COUNTER else np.float32)
        self.metrics.write(Batch(NOON + at, ("web-1",), {"load": values}, {"load": kind}))

    def round(self, now: float) -> Round:
        found = evaluate_and_tell(self.fleet, self.metrics, self.alerts, self.heard, now=NOON + now)
        return asyncio.run(found)

    def with_receivers(self, **heard: Heard) -> Place:
        receivers = {name: Receiver(name, Program(("x",))) for name in heard}
        rules = {"load": ThresholdRule("load", "load", critical=Level(20, 15))}
        settings = AlertSettings(False, rules, receivers)
        return replace(self, fleet=replace(self.fleet, alerts=settings), heard=heard)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    metrics, alerts = SqliteMetrics(tmp_path), SqliteAlerts(tmp_path, SystemClock())
    yield Place(metrics, alerts, fleet(node("web-1")), {})
    alerts.close()
    metrics.close()


def test_a_value_of_this_very_moment_counts(place: Place) -> None:
    heard = Heard()
    place = place.with_receivers(ops=heard)
    place.measured(5, 25)
    assert [alert.subject for alert in place.round(5).evaluation.alerts] == ["web-1"]
    assert [message.at for message in heard.messages] == [NOON + 5]


def test_of_a_counter_the_growth_per_second_is_compared(place: Place) -> None:
    place = place.with_receivers(ops=Heard())
    totals = [
        2.0**40,
        2.0**40 + 100,
        2.0**40 + 350,
        30.0,
        40.0,
    ]  # by 10, 25, and after a reset 3, 1
    for number, total in enumerate(totals):
        place.measured(number * 10, total, Kind.COUNTER)
    changes = place.round(40).evaluation.transitions
    assert [(c.at - NOON, c.after.value, c.value) for c in changes] == [
        (20, "critical", 25),
        (30, "ok", 3),
    ]


@pytest.mark.parametrize("error", [NotDelivered("busy"), ValueError("odd"), OSError("gone")])
def test_whatever_one_sender_does_the_others_send(place: Place, error: Exception) -> None:
    good, bad = Heard(), Heard(error)
    place = place.with_receivers(bad=bad, good=good)
    place.measured(0, 25)
    first = place.round(1)
    assert first.failed
    assert [told.error is None for told in first.told] == [False, True]
    assert (len(good.messages), len(bad.messages)) == (1, 0)
    assert not place.round(2).failed
    assert (len(good.messages), len(bad.messages)) == (1, 1)


def test_who_does_not_answer_is_waited_for_once_in_an_evaluation(place: Place) -> None:
    heard = Heard(NotDelivered("busy", passing=True))
    place = place.with_receivers(ops=heard)
    assert place.fleet.alerts is not None
    rules = {n: ThresholdRule(n, "load", critical=Level(20, 15)) for n in ("a", "b")}
    settings = replace(place.fleet.alerts, rules=rules)
    place = replace(place, fleet=replace(place.fleet, alerts=settings))
    place.measured(0, 25)
    assert [str(told.error) for told in place.round(1).told] == ["busy", "busy"]
    assert heard.messages == []
    assert not place.round(2).failed
    assert [message.notice.labels["rule"] for message in heard.messages] == ["a", "b"]


def test_a_receiver_that_left_the_configuration_is_forgotten(place: Place) -> None:
    place.measured(0, 25)
    place.with_receivers(old=Heard()).round(1)
    assert {receiver for receiver, _ in place.alerts.recall().deliveries} == {"old"}
    place.with_receivers(new=Heard()).round(2)
    assert {receiver for receiver, _ in place.alerts.recall().deliveries} == {"new"}


def test_what_is_over_and_told_is_not_kept(place: Place) -> None:
    heard = Heard()
    place = place.with_receivers(ops=heard)
    place.measured(0, 25)
    place.round(1)
    place.measured(2, 1)
    place.round(3)
    assert [len(m.notice.resolved) for m in heard.messages] == [0, 1]
    assert place.alerts.recall().deliveries == {}


def test_long_windows_of_a_budget_are_read_from_what_was_rolled_up(place: Place) -> None:
    heard = Heard()
    place = place.with_receivers(ops=heard)
    rule = BurnRule("load", "load", objective=0.999, windows=SRE_BURNS[1:2])  # 6 times over 6 h
    settings = AlertSettings(False, {"load": rule}, {"ops": Receiver("ops", Program(("x",)))})
    place = replace(place, fleet=replace(place.fleet, alerts=settings))
    hours = [0.0] * 3 + [0.013] * 3  # on the average 6.5 times too fast
    for minute in range(0, 6 * 60, 4):
        place.measured(minute * 60, hours[minute // 60])
    place.metrics.rollup(now=NOON + 6 * 3600)
    place.metrics.forget(now=NOON + 6 * 3600)
    assert len(place.metrics.read("load", start=NOON, until=NOON + 6 * 3600).times) < 40
    [alert] = place.round(6 * 3600).evaluation.alerts
    assert alert.value == pytest.approx(6.5, rel=0.02)
