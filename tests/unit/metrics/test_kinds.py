"""Names of metrics: one way to write each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.metrics.kinds import Kind, build, canonical, parse

LABELS = st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), st.text())


@given(st.from_regex(r"[a-z_:][a-z0-9_:]{0,9}", fullmatch=True), LABELS)
def test_what_was_built_is_parsed_to_the_same(name: str, labels: dict[str, str]) -> None:
    metric = build(name, labels)
    assert parse(metric) == (name, {label: value for label, value in labels.items() if value})
    assert canonical(metric) == metric


def test_labels_are_in_the_order_of_names() -> None:
    metric = 'http_requests_total{code="200",path="/a"}'
    assert build("http_requests_total", {"path": "/a", "code": "200"}) == metric
    assert build("http_requests_total", [("path", "/a"), ("code", "200")]) == metric


def test_as_somebody_types_it_it_is_the_same_metric() -> None:
    assert canonical(' up { b = "2", a="x,}\\"" , } ') == 'up{a="x,}\\"",b="2"}'
    assert canonical("up{}") == canonical('up{a=""}') == canonical("up") == "up"


@pytest.mark.parametrize(
    "metric",
    ["", "a b", "a-b", "1a", "ä", "up{", 'up{a="1"', "up{a=1}", 'up{a="1" b="2"}', 'up{a-b="1"}',
     'up{a="1",a="2"}', 'up{a="\\x"}', 'up{a="1"}}', 'up{,}', '{a="1"}', 'up{a="1\n"}'],
)  # fmt: skip
def test_what_is_not_in_the_notation_is_refused(metric: str) -> None:
    with pytest.raises(ValueError):
        canonical(metric)


def test_a_label_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="comes twice"):
        build("up", [("a", "1"), ("a", "1")])


def test_counters_and_gauges_have_one_value_in_a_tick() -> None:
    assert [kind for kind in Kind if not kind.observed] == [Kind.COUNTER, Kind.GAUGE]
