"""A metric of a subject as a Prometheus names it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.metrics.kinds import build
from phoenixctl.metrics.prometheus import labels_of, metric_of, read_as


@pytest.mark.parametrize(
    ("metric", "subject", "labels"),
    [
        ("cpu_utilization", "web-1", {"__name__": "phoenix_cpu_utilization", "node": "web-1"}),
        ("rss", "web-1/a-0", {"__name__": "phoenix_rss", "agent": "a-0", "node": "web-1"}),
        ("deploys", "*", {"__name__": "phoenix_deploys"}),
        ('q{code="2"}', "n", {"__name__": "phoenix_q", "code": "2", "node": "n"}),
        ('q{node="db"}', "n", {"__name__": "phoenix_q", "exported_node": "db", "node": "n"}),
    ],
)
def test_a_subject_becomes_labels(metric: str, subject: str, labels: dict[str, str]) -> None:
    found = labels_of("shop", metric, subject)
    assert found == {**labels, "fleet": "shop"}
    assert list(found) == sorted(found)


LABEL = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True) | st.sampled_from(
    ["node", "agent", "fleet", "__name__", "exported_node", "exported_exported_agent",
     "exported__name__", "exported_", "exported___"]
)  # fmt: skip
METRICS = st.builds(
    build,
    st.from_regex(r"[A-Za-z_:][A-Za-z0-9_:]{0,9}", fullmatch=True),
    st.dictionaries(LABEL, st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,9}", fullmatch=True)
SUBJECTS = st.just("*") | NAMES | st.builds("{}/{}".format, NAMES, NAMES)


@given(METRICS, SUBJECTS)
def test_what_comes_back_is_what_went_out(metric: str, subject: str) -> None:
    labels = labels_of("shop", metric, subject)
    assert metric_of(labels) == (metric, subject)
    assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", label) for label in labels)


@pytest.mark.parametrize("metric", ["p95 of web-1", "9lives", "a{b", "", "cpu-utilization"])
def test_a_name_that_prometheus_has_not_is_made_one(metric: str) -> None:
    labels = labels_of("shop", metric, "n")
    assert re.fullmatch("[a-zA-Z_:][a-zA-Z0-9_:]*", labels["__name__"])
    assert metric_of(labels) == (read_as(metric), "n")


@pytest.mark.parametrize(
    "labels",
    [
        {"__name__": "up", "fleet": "shop"},
        {"__name__": "phoenix_up"},
        {"__name__": "phoenix_up", "fleet": "shop", "agent": "a-0"},
        {"fleet": "shop"},
    ],
)
def test_series_of_others_are_not_ours(labels: dict[str, str]) -> None:
    assert metric_of(labels) is None
