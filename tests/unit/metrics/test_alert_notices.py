"""Who is told of what, and that nobody is told twice or never."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.metrics.alert_notices import Delivery, Notice, notices
from phoenixctl.model.alerting import (
    Alert,
    Alertmanager,
    AlertSettings,
    Program,
    Receiver,
    Severity,
    Silence,
    Status,
    parse_matcher,
)

HOUR = 3600.0
OPS = Receiver("ops", Program(("tell",)))


def alert(subject: str, status: str = "critical", *, rule: str = "cpu", **labels: str) -> Alert:
    own = {"rule": rule, "subject": subject, "severity": status, "metric": f"{rule}_use", **labels}
    return Alert(rule, subject, Status(status), 1000.0, f"{rule} of {subject}", labels=own)


def silence(*matchers: str, start: float = 0.0, until: float = 9e9) -> Silence:
    parsed = tuple(parse_matcher(text) for text in matchers)
    return Silence("s1", parsed, start, until, "ada", "work")


@dataclass
class Post:
    """Receivers that remember what they were told; `broken` ones get nothing."""

    settings: AlertSettings
    deliveries: dict[tuple[str, str], Delivery] = field(default_factory=dict)
    told: list[Notice] = field(default_factory=list)

    def round(
        self,
        *alerts: Alert,
        now: float = 0.0,
        silences: Sequence[Silence] = (),
        broken: bool = False,
    ) -> list[Notice]:
        due = notices(self.settings, alerts, silences, self.deliveries, now)
        for notice in due:
            self.deliveries[notice.receiver, notice.group] = notice.owing()
        sent = [] if broken else list(due)
        for notice in sent:
            self.deliveries[notice.receiver, notice.group] = notice.delivered(now)
        sent = [notice for notice in sent if not notice.says_nothing]
        self.told += sent
        return sent


def post(*receivers: Receiver, **more: object) -> Post:
    named = {receiver.name: receiver for receiver in receivers or (OPS,)}
    return Post(replace(AlertSettings(receivers=named), **more))  # type: ignore[arg-type]


def subjects(sent: Sequence[Notice]) -> list[tuple[list[str], list[str]]]:
    return [([a.subject for a in n.firing], [a.subject for a in n.resolved]) for n in sent]


def test_an_alert_is_told_once_again_after_the_repeat_interval_and_when_it_is_over() -> None:
    box = post()
    assert subjects(box.round(alert("a"))) == [(["a"], [])]
    assert box.round(alert("a"), now=HOUR) == []
    assert subjects(box.round(alert("a"), now=4 * HOUR)) == [(["a"], [])]
    assert subjects(box.round(now=5 * HOUR)) == [([], ["a"])]
    assert box.round(now=50 * HOUR) == []


def test_alerts_of_a_rule_come_in_one_message_and_a_change_is_told_with_the_whole_group() -> None:
    box = post()
    assert subjects(box.round(alert("b"), alert("a"))) == [(["a", "b"], [])]
    assert subjects(box.round(alert("b"), alert("a"), alert("c"))) == [(["a", "b", "c"], [])]
    assert subjects(box.round(alert("b"))) == [(["b"], ["a", "c"])]


def test_groups_are_made_by_label() -> None:
    box = post(group_by=("pool", "metric"))
    sent = box.round(alert("a", pool="x"), alert("b", pool="y"), alert("a", rule="mem", pool="x"))
    assert [notice.labels for notice in sent] == [
        {"pool": "x", "metric": "cpu_use"},
        {"pool": "x", "metric": "mem_use"},
        {"pool": "y", "metric": "cpu_use"},
    ]
    alone = post(replace(OPS, group_by=()))
    assert len(alone.round(alert("a", pool="x"), alert("b", pool="y"))) == 1


def test_another_severity_is_news() -> None:
    box = post()
    box.round(alert("a", "warning"))
    [notice] = box.round(alert("a", "critical"))
    assert [a.status.value for a in notice.firing] == ["critical"]
    assert [a.status.value for a in notice.replaced] == ["warning"]
    assert notice.resolved == ()


def test_a_silent_node_is_one_message_and_its_alerts_are_not_told_as_over() -> None:
    box = post()
    box.round(alert("a", rule="cpu"), alert("a", rule="mem"))
    silent = [alert("a", "no_data", rule="cpu"), alert("a", "no_data", rule="mem")]
    sent = [n for n in box.round(*silent) if n.firing]
    assert [(n.labels, len(n.firing)) for n in sent] == [({"rule": "no_data"}, 2)]
    assert [n.resolved for n in box.told] == [()] * len(box.told)
    assert box.round(*silent) == []


def test_what_is_silenced_is_not_told_until_the_silence_is_over() -> None:
    box = post()
    quiet = silence("subject=a", start=10, until=100)
    assert subjects(box.round(alert("a"), alert("b"), now=50, silences=[quiet])) == [(["b"], [])]
    assert subjects(box.round(alert("a"), alert("b"), now=100, silences=[quiet])) == [
        (["a", "b"], [])
    ]


def test_of_a_silenced_alert_that_was_told_before_only_the_end_is_told() -> None:
    box = post()
    box.round(alert("a"))
    assert box.round(alert("a"), now=9 * HOUR, silences=[silence("rule=cpu")]) == []
    sent = box.round(now=10 * HOUR, silences=[silence("rule=cpu")])
    assert subjects(sent) == [([], ["a"])]


def test_what_failed_is_told_in_the_next_round_and_also_when_it_is_over_by_then() -> None:
    box = post()
    assert box.round(alert("a"), broken=True) == []
    assert subjects(box.round(alert("a"))) == [(["a"], [])]
    box.round(alert("a"), alert("b"), broken=True)
    assert subjects(box.round()) == [([], ["a", "b"])]
    assert box.round() == []


def test_what_failed_and_is_silenced_by_now_is_told_after_the_silence() -> None:
    box = post()
    box.round(alert("a"), broken=True)
    assert box.round(alert("a"), silences=[silence("rule=cpu")]) == []
    assert subjects(box.round(alert("a"))) == [(["a"], [])]


def test_one_receiver_that_fails_costs_the_others_nothing() -> None:
    box = post(OPS, replace(OPS, name="page"))
    due = notices(box.settings, [alert("a")], (), {}, 0.0)
    kept = {(n.receiver, n.group): n.owing() for n in due}
    kept["ops", due[0].group] = due[0].delivered(0.0)
    again = notices(box.settings, [alert("a")], (), kept, 60.0)
    assert [notice.receiver for notice in again] == ["page"]


def test_a_receiver_hears_of_what_concerns_it() -> None:
    page = Receiver(
        "page", Program(("p",)), severity=Severity.CRITICAL, match=(parse_matcher("pool=web"),)
    )
    sent = post(page).round(
        alert("a", "warning", pool="web"), alert("b", pool="web"), alert("c", pool="db"),
        alert("d", "no_data", pool="web"),
    )  # fmt: skip
    assert [a.subject for notice in sent for a in notice.firing] == ["b", "d"]


def test_who_does_not_want_to_hear_of_ends_hears_none() -> None:
    box = post(replace(OPS, resolved=False))
    box.round(alert("a"))
    assert box.round() == []
    box.round(alert("b"), broken=True)
    assert subjects(box.round()) == [([], ["b"])]  # else nobody would ever have heard of it


def test_an_alertmanager_hears_of_everything_every_time() -> None:
    box = post(Receiver("am", Alertmanager("http://127.0.0.1:9093")))
    box.round(alert("a"))
    assert subjects(box.round(alert("a"), now=1.0)) == [(["a"], [])]


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("pool=web", {"pool": "web"}, True),
        ("pool=web", {}, False),
        ("pool!=web", {}, True),
        ("pool=~w.*", {"pool": "web"}, True),
        ("pool=~w", {"pool": "web"}, False),
        ("pool!~w.*", {"pool": "web"}, False),
        ("pool=", {}, True),
        ("a.b/c-d=x=y", {"a.b/c-d": "x=y"}, True),
    ],
)
def test_matchers(text: str, labels: Mapping[str, str], matches: bool) -> None:
    assert parse_matcher(text).matches(labels) is matches
    assert str(parse_matcher(text)) == text


@pytest.mark.parametrize("text", ["pool", "=x", "pool=~(", "po ol=x"])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"pool|label"):
        parse_matcher(text)


ROUNDS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), st.sampled_from(["warning", "critical"])),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@given(ROUNDS)
def test_whatever_fails_everybody_knows_the_truth_in_the_end(
    rounds: list[tuple[dict[str, str], bool]],
) -> None:
    box = post()
    ever: set[str] = set()
    for number, (alerts, broken) in enumerate(rounds):
        found = [alert(subject, status) for subject, status in alerts.items()]
        box.round(*found, now=number, broken=broken)
        ever |= alerts.keys()
    last = [alert(subject, status) for subject, status in rounds[-1][0].items()]
    box.round(*last, now=len(rounds))
    known: dict[str, str] = {}
    heard: set[str] = set()
    for notice in box.told:
        assert json.loads(notice.group) == {"rule": "cpu"}
        known = {a.subject: a.status.value for a in notice.firing}
        heard |= {a.subject for a in (*notice.firing, *notice.resolved)}
    assert known == rounds[-1][0]
    assert heard == ever
    assert box.round(*last, now=len(rounds) + 1) == []
