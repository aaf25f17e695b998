"""Readings from Prometheus text, held against prometheus_client's own parser."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from phoenixctl.model.hooks import MetricNames
from phoenixctl.model.reading import AgentMetric
from phoenixctl.remote.exposition import agent_readings, parse_samples

NAMES = MetricNames()


class Process:
    """An agent's metrics as a real one exposes them."""

    def __init__(self, buckets=(0.01, 0.1, 1.0)):
        self.registry = CollectorRegistry()
        self.times = Histogram(
            NAMES.response_time, "s", ["path"], buckets=buckets, registry=self.registry
        )
        self.messages = Counter("phoenix_messages", "n", ["path"], registry=self.registry)
        self.errors = Counter("phoenix_errors", "n", registry=self.registry)
        self.queue = Gauge(NAMES.queue_length, "n", ["path"], registry=self.registry)
        self.used = Gauge(NAMES.utilization, "n", ["part"], registry=self.registry)

    def serve(self, *seconds: float, path: str = "a", errors: int = 0) -> None:
        for value in seconds:
            self.times.labels(path).observe(value)
            self.messages.labels(path).inc()
        self.errors.inc(errors)

    def scrape(self) -> bytes:
        return generate_latest(self.registry)


def read(first, second, *, names=NAMES, seconds=2.0):
    return agent_readings(names, first, second, seconds=seconds, at=7.0)


def test_the_time_between_two_scrapes_counts_when_there_were_messages():
    agent = Process()
    agent.serve(*[0.9] * 100)
    first = agent.scrape()
    agent.serve(*[0.05] * 30, path="a")
    agent.serve(*[0.05] * 10, path="b", errors=4)
    agent.queue.labels("a").set(3)
    agent.queue.labels("b").set(4)
    agent.used.labels("disk").set(0.2)
    agent.used.labels("workers").set(0.6)
    scraped = read(first, agent.scrape())
    values = {metric: reading.value for metric, reading in scraped.metrics.items()}
    assert values == {
        AgentMetric.RESPONSE_MEAN: pytest.approx(0.05),
        AgentMetric.RESPONSE_P95: pytest.approx(0.01 + 0.09 * 0.95),
        AgentMetric.THROUGHPUT: 20.0,
        AgentMetric.ERROR_RATE: 0.1,
        AgentMetric.QUEUE: 7.0,
        AgentMetric.UTILIZATION: 0.6,
    }
    assert scraped.responses.count == 40
    assert {reading.at for reading in scraped.metrics.values()} == {7.0}


def test_an_idle_agent_is_judged_by_its_life_and_says_so():
    agent = Process()
    agent.serve(*[0.05] * 10, errors=1)
    scrape = agent.scrape()
    metrics = read(scrape, scrape).metrics
    assert metrics[AgentMetric.RESPONSE_MEAN].value == pytest.approx(0.05)
    assert metrics[AgentMetric.RESPONSE_MEAN].why == "since its start"
    assert metrics[AgentMetric.THROUGHPUT].value == 0
    assert metrics[AgentMetric.ERROR_RATE].value == 0.1


def test_a_restart_between_the_scrapes_counts_from_nought():
    before = Process()
    before.serve(*[0.9] * 100)
    after = Process()
    after.serve(*[0.05] * 6)
    metrics = read(before.scrape(), after.scrape()).metrics
    assert metrics[AgentMetric.THROUGHPUT].value == 3.0
    assert metrics[AgentMetric.RESPONSE_MEAN].value == pytest.approx(0.05)


def test_a_quantile_above_the_last_bucket_is_a_lower_limit_and_says_so():
    agent = Process()
    first = agent.scrape()
    agent.serve(*[5.0] * 10)
    reading = read(first, agent.scrape()).metrics[AgentMetric.RESPONSE_P95]
    assert (reading.value, reading.why) == (1.0, "at least this: above the last bucket")


def test_an_agent_that_has_done_nothing_has_no_response_time():
    scrape = Process().scrape()
    metrics = read(scrape, scrape).metrics
    assert metrics[AgentMetric.ERROR_RATE].value is None
    assert metrics[AgentMetric.RESPONSE_MEAN].value is None


def test_one_scrape_gives_no_rate():
    agent = Process()
    agent.serve(0.05)
    agent.queue.labels("a").set(2)
    for first, second in ((agent.scrape(), None), (None, agent.scrape())):
        metrics = read(first, second).metrics
        assert metrics[AgentMetric.THROUGHPUT].why == "needs two scrapes"
        assert metrics[AgentMetric.RESPONSE_MEAN].value == pytest.approx(0.05)
        assert metrics[AgentMetric.QUEUE].value == 2


def test_no_scrape_leaves_all_unknown():
    scraped = read(None, None)
    assert {r.value for r in scraped.metrics.values()} == {None}
    assert len(scraped.metrics) == 6


def test_a_missing_series_is_named():
    metrics = read(b"", b"# nothing\n").metrics
    assert metrics[AgentMetric.THROUGHPUT].why == "no series phoenix_messages_total"
    assert metrics[AgentMetric.QUEUE].why == "no series phoenix_queue_length"
    assert metrics[AgentMetric.RESPONSE_P95].why == "no series phoenix_response_seconds_count"


@pytest.mark.parametrize("configured", ["phoenix_messages", "phoenix_messages_total"])
@pytest.mark.parametrize("exposed", ["phoenix_messages", "phoenix_messages_total"])
def test_a_counter_is_found_with_and_without_total(configured, exposed):
    names = MetricNames(throughput=configured)
    scrapes = (f"{exposed} 1\n".encode(), f"{exposed} 5\n".encode())
    assert read(*scrapes, names=names).metrics[AgentMetric.THROUGHPUT].value == 2.0


def test_a_summary_gives_a_mean_and_no_quantile():
    registry = CollectorRegistry()
    summary = Summary(NAMES.response_time, "s", registry=registry)
    summary.observe(1.0)
    summary.observe(3.0)
    metrics = read(None, generate_latest(registry)).metrics
    assert metrics[AgentMetric.RESPONSE_MEAN].value == 2.0
    assert metrics[AgentMetric.RESPONSE_P95].value is None


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1"])
def test_a_count_that_is_none_is_unknown(value):
    scrape = f"phoenix_messages_total {value}\nphoenix_queue_length {value}\n".encode()
    assert read(scrape, scrape).metrics[AgentMetric.THROUGHPUT].value is None


def test_a_last_line_without_its_end_is_not_believed():
    whole = b"phoenix_queue_length 12\n"
    assert parse_samples(whole[:-1], ["phoenix_queue_length"]) == {}
    assert parse_samples(whole, ["phoenix_queue_length"]) == {"phoenix_queue_length": {(): 12.0}}


def test_more_errors_than_messages_is_a_rate_of_one():
    lines = "phoenix_messages_total {}\nphoenix_errors_total {}\n"
    first, second = lines.format(5, 0).encode(), lines.format(5, 9).encode()
    assert read(first, second).metrics[AgentMetric.ERROR_RATE].value == 1.0


# Label values as they are written: backslashes, quotes and line breaks escaped.
label_values = st.lists(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters='\\"')
    | st.sampled_from(["\\\\", '\\"', "\\n", "{", "}", ",", " ", "#", "="]),
    max_size=8,
).map("".join)
numbers = (
    st.floats().map(repr)
    | st.integers(-(10**6), 10**9).map(str)
    | st.sampled_from(["NaN", "+Inf", "-Inf", "1e3", "1.5E-2", "0"])
)
label_sets = st.dictionaries(
    st.sampled_from(["le", "path", "_x9"]),
    label_values,
    max_size=3,
)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["wanted", "wanted_more", "other"]),
            label_sets,
            numbers,
            st.sampled_from(["", " 1700000000000"]),
        ),
        max_size=6,
    )
)
def test_samples_are_those_that_prometheus_client_reads(samples):
    text = ""
    for name, labels, number, timestamp in samples:
        inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
        text += (
            f"{name}{{{inside}}} {number}{timestamp}\n"
            if inside
            else f"{name} {number}{timestamp}\n"
        )
    ours = {
        (name, tuple((key, unescaped(label)) for key, label in labels)): repr(value)
        for name, series in parse_samples(text.encode(), ["wanted"]).items()
        for labels, value in series.items()
    }
    theirs = {
        (sample.name, tuple(sorted(sample.labels.items()))): repr(float(sample.value))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "wanted"
    }
    assert ours == theirs


def unescaped(value: str) -> str:
    return value.replace("\\\\", "\0").replace('\\"', '"').replace("\\n", "\n").replace("\0", "\\")


@given(st.lists(st.floats(0, 5), max_size=30), st.lists(st.floats(0, 5), max_size=30))
def test_what_two_scrapes_of_a_real_exposition_tell(early, late):
    agent = Process()
    agent.serve(*early)
    first = agent.scrape()
    agent.serve(*late)
    metrics = read(first, agent.scrape()).metrics
    told = late or early
    if not told:
        assert metrics[AgentMetric.RESPONSE_MEAN].value is None
        return
    assert metrics[AgentMetric.THROUGHPUT].value == len(late) / 2
    mean = sum(told) / len(told)
    assert metrics[AgentMetric.RESPONSE_MEAN].value == pytest.approx(mean, abs=1e-9)
    assert 0 <= metrics[AgentMetric.RESPONSE_P95].value <= 1.0


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_bytes_give_readings(first, second):
    start = b'\nphoenix_response_seconds_bucket{le="1"} 5\nphoenix_response_seconds_count 2\n'
    for one, two in ((first, second), (start + first, start + second)):
        metrics = read(one, two).metrics
        assert all(r.value is None or r.value == r.value for r in metrics.values())
