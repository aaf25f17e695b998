"""What became of the messages of a load, as a whole and over time."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from phoenixctl.demo.graph import graph


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of the load that ends `until_seconds` after its begin.

    `p99_seconds` is of the messages acknowledged in it, from when they were due; None: none was.
    """

    until_seconds: float
    acknowledged: int
    failed: int
    p99_seconds: float | None


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the messages; latencies in seconds, of those acknowledged (None: none was).

    `moved` were refused by one target and taken by another, `waited` were refused by all for a
    while. `failures` counts the reasons; of `unknown` failed ones it is not known whether they were
    counted: acknowledged <= counted <= acknowledged + unknown. `gap_seconds` is the longest time
    without an acknowledgement.
    """

    sent: int
    acknowledged: int
    failed: int
    unknown: int
    moved: int
    waited: int
    seconds: float
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    gap_seconds: float | None
    acknowledged_by: Mapping[str, int]
    failures: Mapping[str, int]
    intervals: Sequence[Interval] = ()


@dataclass
class Tally:
    """Counts as it happens; `started` and all moments by the same clock, in seconds."""

    started: float
    sent: int = 0
    unknown: int = 0
    moved: int = 0
    waited: int = 0
    acknowledged_at: list[float] = field(default_factory=list)  # ascending, as are `failed_at`
    latencies: list[float] = field(default_factory=list)  # of the same messages
    failed_at: list[float] = field(default_factory=list)
    acknowledged_by: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def acknowledge(self, url: str, *, due: float, now: float) -> None:
        self.acknowledged_at.append(now)
        self.latencies.append(now - due)
        self.acknowledged_by[url] += 1

    def fail(self, reason: str, *, now: float, unknown: bool = False) -> None:
        self.failed_at.append(now)
        self.failures[reason] += 1
        self.unknown += unknown

    def interval(self, number: int, every_seconds: float) -> Interval:
        """The interval of that number, from 0."""
        begin, end = (self.started + n * every_seconds for n in (number, number + 1))
        first, last = (bisect_left(self.acknowledged_at, moment) for moment in (begin, end))
        failed = bisect_left(self.failed_at, end) - bisect_left(self.failed_at, begin)
        latencies = sorted(self.latencies[first:last])
        return Interval(
            (number + 1) * every_seconds, last - first, failed, quantile(latencies, 0.99)
        )

    def report(self, now: float, every_seconds: float | None = None) -> LoadReport:
        """All of it until now, with an interval for each `every_seconds`."""
        latencies = sorted(self.latencies)
        seconds = now - self.started
        number = 0 if every_seconds is None else math.ceil(seconds / every_seconds)
        return LoadReport(
            sent=self.sent,
            acknowledged=len(latencies),
            failed=self.failures.total(),
            unknown=self.unknown,
            moved=self.moved,
            waited=self.waited,
            seconds=seconds,
            p50_seconds=quantile(latencies, 0.50),
            p95_seconds=quantile(latencies, 0.95),
            p99_seconds=quantile(latencies, 0.99),
            gap_seconds=max((b - a for a, b in pairwise(self.acknowledged_at)), default=None),
            acknowledged_by=dict(sorted(self.acknowledged_by.items())),
            failures=dict(sorted(self.failures.items())),
            intervals=tuple(self.interval(n, every_seconds or 1.0) for n in range(number)),
        )


def report_from(document: Mapping[str, Any]) -> LoadReport:
    """The report from its JSON; ValueError for another thing."""
    try:
        intervals = tuple(Interval(**one) for one in document.get("intervals", ()))
        return replace(LoadReport(**document), intervals=intervals)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not the report of a load: {error}") from None


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of sorted values."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def report_text(report: LoadReport) -> str:
    """The report for people."""
    times = {
        "p50": report.p50_seconds, "p95": report.p95_seconds, "p99": report.p99_seconds,
        "longest gap": report.gap_seconds,
    }  # fmt: skip
    known = [f"{name} {value * 1000:.1f}ms" for name, value in times.items() if value is not None]
    reasons = [f"{reason}: {count}" for reason, count in report.failures.items()]
    if report.unknown:
        reasons.append(f"may have been counted all the same: {report.unknown}")
    counts = f"sent {report.sent}, acknowledged {report.acknowledged}, failed {report.failed}"
    ways = f"moved {report.moved}, waited {report.waited}"
    lines = [f"{counts}, {ways} in {report.seconds:.1f}s", *known, *reasons]
    if report.intervals:
        each = [one.acknowledged for one in report.intervals]
        lines += ["acknowledged:", *graph(each, report.intervals[0].until_seconds)]
    return "\n".join(lines)


def interval_text(one: Interval) -> str:
    """A line for people about the last interval."""
    p99 = "" if one.p99_seconds is None else f", p99 {one.p99_seconds * 1000:.1f}ms"
    return f"{one.until_seconds:.1f}s: acknowledged {one.acknowledged}, failed {one.failed}{p99}"
