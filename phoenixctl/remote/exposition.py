"""Prometheus text: the few series that say how an agent does.

Own parsing, although prometheus_client has a parser: importing that costs 60 ms of CPU, of 400 for
a whole `status`, and each scrape three times as much as here, of 4 ms for a whole node. Only lines
of wanted names are looked at; a test holds the result against prometheus_client's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf, isfinite, isnan
from typing import TYPE_CHECKING, Final, TypeAlias

from phoenixctl.model.histogram import Histogram, merged
from phoenixctl.model.reading import AgentMetric, Reading, unknown
from phoenixctl.remote.procfs import NotKnown, known

if TYPE_CHECKING:  # made only for agents that have metrics
    from phoenixctl.model.hooks import MetricNames

Labels: TypeAlias = tuple[tuple[str, str], ...]
Samples: TypeAlias = Mapping[str, Mapping[Labels, float]]
"""Values by the sample's name and its labels in order of name, escapes in their values as found."""

_QUANTILE: Final = 0.95
_LABELS: Final = r"\{((?:[^\"}]++|\"(?:[^\"\\]++|\\.)*+\")*+)\}"
_SAMPLE: Final = re.compile(
    rf"[ \t]*([A-Za-z_:][A-Za-z0-9_:]*)[ \t]*(?:{_LABELS}|(?=[ \t]))[ \t]*"
    r"([^ \t]+)(?:[ \t]+-?[0-9.]+)?[ \t]*(?:#.*)?"
)
_LABEL: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*\"((?:[^\"\\]++|\\.)*+)\"")
_VALUE: Final = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|nan)", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Scraped:
    """What an agent says of itself; `responses` as `AgentObservation` has them."""

    metrics: Mapping[AgentMetric, Reading]
    responses: Histogram | None


def parse_samples(text: bytes, names: Collection[str]) -> Samples:
    """The samples with one of these names; lines that are not well formed are left out.

    A last line without its line break may be cut off in the middle of a number: left out too.
    """
    found: dict[str, dict[Labels, float]] = {}
    starts = tuple(names)
    for whole_line in text.decode("utf-8", "replace").split("\n")[:-1]:
        line = whole_line.strip(" \t\r")
        if not line.startswith(starts):
            continue
        sample = sample_of(line)
        if sample and sample[0] in names:
            found.setdefault(sample[0], {})[sample[1]] = sample[2]
    return found


def sample_of(line: str) -> tuple[str, Labels, float] | None:
    """Name, labels in order of name, and value; None for a line that is no sample."""
    match = _SAMPLE.fullmatch(line)
    if match is None or not _VALUE.fullmatch(match[3]):
        return None
    return match[1], tuple(sorted(_LABEL.findall(match[2] or ""))), float(match[3])


def agent_readings(
    names: MetricNames, first: bytes | None, second: bytes | None, *, seconds: float, at: float
) -> Scraped:
    """What two scrapes `seconds` apart tell; None is a scrape that failed.

    Response times and the error rate are of the time between the scrapes, or of the agent's life
    when nothing happened in between (`why` says so). The error rate is errors per message.
    """
    if first is None and second is None:
        not_scraped = unknown("its metrics could not be read", at=at)
        return Scraped(dict.fromkeys(_REPORTED, not_scraped), None)
    wanted = _wanted(names)
    now = parse_samples(second if second is not None else first or b"", wanted)
    before = None if first is None or second is None else parse_samples(first, wanted)
    scrapes = _Scrapes(names, before, now, seconds)
    try:
        responses, lifelong = scrapes.responses()
        mean, p95 = _mean(responses, at=at), _p95(responses, at=at)
        if lifelong:
            mean, p95 = (_noted(reading, "since its start") for reading in (mean, p95))
    except NotKnown as why:
        responses = None
        mean = p95 = unknown(str(why), at=at)
    metrics = {
        AgentMetric.RESPONSE_MEAN: mean,
        AgentMetric.RESPONSE_P95: p95,
        AgentMetric.THROUGHPUT: known(_Scrapes.throughput, scrapes, at=at),
        AgentMetric.ERROR_RATE: known(_Scrapes.error_rate, scrapes, at=at),
        AgentMetric.QUEUE: known(_Scrapes.queue, scrapes, at=at),
        AgentMetric.UTILIZATION: known(_Scrapes.utilization, scrapes, at=at),
    }
    return Scraped(metrics, responses)


_REPORTED: Final = (
    AgentMetric.RESPONSE_MEAN,
    AgentMetric.RESPONSE_P95,
    AgentMetric.THROUGHPUT,
    AgentMetric.ERROR_RATE,
    AgentMetric.QUEUE,
    AgentMetric.UTILIZATION,
)


def _spellings(name: str) -> tuple[str, ...]:
    """A counter's sample may have `_total` where its name has not, and the other way round."""
    return (name, name.removesuffix("_total") if name.endswith("_total") else f"{name}_total")


def _wanted(names: MetricNames) -> frozenset[str]:
    response = names.response_time
    return frozenset(
        (
            *_spellings(names.throughput),
            *_spellings(names.errors),
            names.queue_length,
            names.utilization,
            *(f"{response}_{part}" for part in ("bucket", "sum", "count")),
        )
    )


@dataclass(frozen=True, slots=True)
class _Scrapes:
    """The samples of two scrapes; `before` is None when there was only one."""

    names: MetricNames
    before: Samples | None
    now: Samples
    seconds: float

    def responses(self) -> tuple[Histogram, bool]:
        """Response times since the earlier scrape, or of the agent's life (then True)."""
        life = _histograms(self.now, self.names.response_time)
        if self.before is not None:
            earlier: Mapping[Labels, Histogram] = {}
            with suppress(NotKnown):
                earlier = _histograms(self.before, self.names.response_time)
            recent = merged(_since(h, earlier.get(labels)) for labels, h in life.items())
            if recent is not None:
                return recent, False
        whole_life = merged(life.values())
        if whole_life is None:
            raise NotKnown("no message yet")
        return whole_life, True

    def throughput(self) -> float:
        if self.before is None:
            raise NotKnown("needs two scrapes")
        if self.seconds <= 0:
            raise NotKnown("no time passed between the scrapes")
        return self._growth(self.names.throughput) / self.seconds

    def error_rate(self) -> float:
        errors = self._growth(self.names.errors)
        messages = self._growth(self.names.throughput)
        if not errors and not messages:
            errors = sum(_counter(self.now, self.names.errors).values())
            messages = sum(_counter(self.now, self.names.throughput).values())
        if not errors and not messages:
            raise NotKnown("no message yet")
        # Some agents count failed messages among all, some do not: never above 1 either way.
        return errors / max(messages, errors)

    def queue(self) -> float:
        return sum(self._gauge(self.names.queue_length))

    def utilization(self) -> float:
        """Of several parts of an agent the busiest one: it is what limits."""
        return min(max(0.0, *self._gauge(self.names.utilization)), 1.0)

    def _gauge(self, name: str) -> Collection[float]:
        gauge = self.now.get(name)
        if not gauge:
            raise NotKnown(f"no series {name}")
        if not all(isfinite(value) for value in gauge.values()):
            raise NotKnown(f"{name} is not a finite number")
        return gauge.values()

    def _growth(self, name: str) -> float:
        """Of all series of a counter; one that is new, or went back, was started from 0."""
        now = _counter(self.now, name)
        before: Mapping[Labels, float] = {}
        if self.before is not None:
            with suppress(NotKnown):  # with labels, there is no series before the first message
                before = _counter(self.before, name)
        return sum(
            value - before[labels] if before.get(labels, inf) <= value else value
            for labels, value in now.items()
        )


def _counter(samples: Samples, name: str) -> Mapping[Labels, float]:
    for spelling in _spellings(name):
        if spelling in samples:
            if not all(isfinite(value) and value >= 0 for value in samples[spelling].values()):
                raise NotKnown(f"{spelling} is not a count")
            return samples[spelling]
    raise NotKnown(f"no series {name}")


def _histograms(samples: Samples, name: str) -> dict[Labels, Histogram]:
    """By labels without `le`. A summary has one bucket for all: it gives a mean but no p95."""
    counts = samples.get(f"{name}_count")
    if not counts:
        raise NotKnown(f"no series {name}_count")
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in samples.get(f"{name}_bucket", {}).items():
        rest = tuple(label for label in labels if label[0] != "le")
        buckets.setdefault(rest, []).append((_bound(dict(labels).get("le", "")), value))
    sums = samples.get(f"{name}_sum", {})
    return {
        labels: _histogram(name, buckets.get(labels, [(inf, count)]), sums.get(labels))
        for labels, count in counts.items()
    }


def _bound(text: str) -> float:
    if not _VALUE.fullmatch(text) or isnan(float(text)):
        raise NotKnown("a bucket has no bound")
    return float(text)


def _histogram(name: str, buckets: list[tuple[float, float]], total: float | None) -> Histogram:
    bounds, counts = zip(*sorted(buckets), strict=True)
    if total is None or not isfinite(total):
        raise NotKnown(f"no series {name}_sum")
    if bounds[-1] != inf or not _cumulative(counts):
        raise NotKnown(f"the buckets of {name} are not cumulative up to +Inf")
    return Histogram(bounds, counts, total)


def _cumulative(counts: tuple[float, ...]) -> bool:
    steps = zip((0.0, *counts), counts, strict=False)
    return all(isfinite(high) and low <= high for low, high in steps)


def _since(now: Histogram, earlier: Histogram | None) -> Histogram:
    """A histogram that went back was started again, from 0."""
    grown = now.since(earlier) if earlier is not None else None
    return grown if grown is not None and _cumulative(grown.counts) else now


def _mean(responses: Histogram, *, at: float) -> Reading:
    return Reading(responses.mean(), at)


def _p95(responses: Histogram, *, at: float) -> Reading:
    quantile = responses.quantile(_QUANTILE)
    if quantile is None:
        return unknown("no buckets", at=at)
    above = len(responses.counts) > 1 and _QUANTILE * responses.count > responses.counts[-2]
    return Reading(quantile, at, "at least this: above the last bucket" if above else "")


def _noted(reading: Reading, note: str) -> Reading:
    return Reading(reading.value, reading.at, f"{reading.why}, {note}" if reading.why else note)
