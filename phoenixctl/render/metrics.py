"""Metrics over time: what there is, values with their course, statistics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.text import Text

from phoenixctl.metrics.grouping import By
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rates import rates
from phoenixctl.metrics.series import History, Tier, Values
from phoenixctl.metrics.subjects import FLEET, agent_of
from phoenixctl.metrics.summary import Summary
from phoenixctl.metrics.windows import Window
from phoenixctl.model.units import format_duration, format_ratio
from phoenixctl.render.metric_values import shown, unit_of
from phoenixctl.render.neutral import one_line
from phoenixctl.render.plots import plot, resampled, sparkline
from phoenixctl.render.tables import Cell, table
from phoenixctl.render.times import utc

_SPARK_WIDTH: Final = 24
_PLOT_WIDTH: Final = 60
_PLOT_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """A metric over a window, chosen elsewhere.

    In a coarser tier than the first, `history` has means, and of a counter by how much it grew.
    """

    metric: str
    kind: Kind
    tier: Tier
    history: History
    window: Window

    @property
    def totals(self) -> bool:
        return self.kind is Kind.COUNTER and self.tier is Tier.SECOND

    def course(self) -> Values:
        """What is drawn: its values, and of a counter its rates per second."""
        values = self.history.values.astype(np.float64)
        if self.kind is not Kind.COUNTER:
            return values
        return (
            rates(self.history.times, values)
            if self.totals
            else values / self.tier.resolution_seconds
        )


# What there is


@dataclass(frozen=True, slots=True)
class Listed:
    """A metric that is kept, and whose."""

    metric: str
    kind: Kind
    subjects: tuple[str, ...]


def print_listed(listed: Sequence[Listed], console: Console) -> None:
    if not listed:
        console.print(Text("no metrics are kept yet", style="dim"))
        return
    rows = [
        [one.metric, one.kind.value, _unit(one.metric), *map(str, _counts(one.subjects))]
        for one in listed
    ]
    columns = ("METRIC", "KIND", "UNIT", "NODES", "AGENTS")
    table(console, columns, rows, right=frozenset(("NODES", "AGENTS")))


def listed_document(fleet: str, listed: Sequence[Listed]) -> Mapping[str, Any]:
    return {
        "fleet": fleet,
        "metrics": [
            {
                "metric": one.metric,
                "kind": one.kind.value,
                "unit": _unit(one.metric),
                "subjects": list(one.subjects),
            }
            for one in listed
        ],
    }


def _counts(subjects: Sequence[str]) -> tuple[int, int]:
    """How many nodes and how many agents; the fleet is neither."""
    agents = sum(agent_of(subject) is not None for subject in subjects)
    return len(set(subjects) - {FLEET}) - agents, agents


# Values


def print_values(found: Sequence[Shown], console: Console, *, plots: bool, now: float) -> None:
    """A row for each subject with its last value and its course; a graph of each with `plots`."""
    for number, one in enumerate(found):
        if number:
            console.print()
        console.print(Text(one_line(one.metric), style="bold"), soft_wrap=True)
        if plots:
            _print_plots(one, console)
            continue
        course = one.course()
        rows = [
            _value_row(one, subject, values, course[:, position].tolist(), now)
            for position, (subject, values) in enumerate(_columns(one.history))
        ]
        columns = ("SUBJECT", "LAST", "AGE", "COURSE")
        table(console, columns, rows, right=frozenset(("LAST", "AGE")))


def _value_row(
    one: Shown, subject: str, values: Sequence[float], course: Sequence[float], now: float
) -> list[Cell]:
    last = _last(one.history, values if one.totals else course)
    fast = one.kind is Kind.COUNTER and not one.totals
    return [
        subject,
        shown(one.metric, last[1] if last else None, per_second=fast),
        format_duration(max(0.0, now - last[0])) if last else "-",
        sparkline(_drawn(one, course, _SPARK_WIDTH)),
    ]


def values_document(found: Sequence[Shown]) -> Mapping[str, Any]:
    return {
        "metrics": [
            {
                "metric": one.metric,
                "kind": one.kind.value,
                "unit": _unit(one.metric),
                "from": utc(one.window.start),
                "until": utc(one.window.until),
                "resolution_seconds": one.tier.resolution_seconds,
                "values_are": _meaning(one),
                "subjects": [
                    {"subject": subject, "values": _points(one.history, values)}
                    for subject, values in _columns(one.history)
                ],
            }
            for one in found
        ]
    }


def _print_plots(one: Shown, console: Console) -> None:
    width = min(_PLOT_WIDTH, console.width - 20) if console.is_terminal else _PLOT_WIDTH
    course = one.course()
    counter = one.kind is Kind.COUNTER

    def label(value: float) -> str:
        return shown(one.metric, value, per_second=counter)

    for position, subject in enumerate(one.history.subjects):
        console.print(Text(one_line(subject), style="dim"), soft_wrap=True)
        drawn = _drawn(one, course[:, position].tolist(), 2 * width)
        lines = plot(drawn, width=width, height=_PLOT_HEIGHT, label=label)
        for line in lines or ["nothing is known of it in this window"]:
            console.print(Text(line), soft_wrap=True)
    console.print(
        Text(f"{utc(one.window.start)} to {utc(one.window.until)}", style="dim"), soft_wrap=True
    )


def _meaning(one: Shown) -> str:
    if one.totals:
        return "totals"
    if one.kind is Kind.COUNTER:
        return "increases"
    return "values" if one.tier is Tier.SECOND and not one.kind.observed else "means"


def _drawn(one: Shown, values: Sequence[float], count: int) -> list[float]:
    """Its values as so many, equally far apart over the window."""
    window = one.window
    times = one.history.times.tolist()
    return resampled(times, values, start=window.start, until=window.until, count=count)


def _columns(history: History) -> Iterable[tuple[str, list[float]]]:
    for number, subject in enumerate(history.subjects):
        yield subject, history.values[:, number].tolist()


def _last(history: History, values: Sequence[float]) -> tuple[float, float] | None:
    known = [n for n, value in enumerate(values) if not math.isnan(value)]
    return (float(history.times[known[-1]]), values[known[-1]]) if known else None


def _points(history: History, values: Sequence[float]) -> list[dict[str, Any]]:
    return [
        {"at": utc(at), "value": value}
        for at, value in zip(history.times.tolist(), values, strict=True)
        if math.isfinite(value)
    ]


# Statistics


@dataclass(frozen=True, slots=True)
class Stats:
    """A metric's summaries over a window. `error`: how far percentiles may be from exact."""

    metric: str
    kind: Kind
    window: Window
    error: float
    by: By
    summaries: tuple[Summary, ...]


def print_stats(found: Sequence[Stats], console: Console) -> None:
    for number, one in enumerate(found):
        if number:
            console.print()
        title = one.metric + (", per second" if one.kind is Kind.COUNTER else "")
        console.print(Text(one_line(title), style="bold"), soft_wrap=True)
        optional = [name for name in ("RATE", "UP", "ALL-UP") if _has(one, name)]
        columns = [one.by.value.upper(), *_NUMBERS, *optional, "TREND"]
        rows = [_stats_row(one, summary, optional) for summary in one.summaries]
        drop = ("SUM", "P99", "COUNT")
        table(console, columns, rows, right=frozenset((*_NUMBERS, *optional)), drop=drop)
        if one.error:
            note = f"percentiles are of roll-ups, within {format_ratio(one.error)} of exact"
            console.print(Text(note, style="dim"), soft_wrap=True)


_NUMBERS: Final = ("COUNT", "MIN", "AVG", "MAX", "P50", "P95", "P99", "SUM")


def _has(one: Stats, name: str) -> bool:
    if name == "RATE":
        return one.kind is Kind.COUNTER
    several = any(summary.subjects > 1 for summary in one.summaries)
    return any(s.good is not None for s in one.summaries) and (name == "UP" or several)


def _stats_row(one: Stats, summary: Summary, optional: Sequence[str]) -> list[Cell]:
    metric, counter = one.metric, one.kind is Kind.COUNTER
    values = (summary.low, summary.mean, summary.high, *summary.percentiles.values(), summary.total)
    more = {
        "RATE": shown(metric, summary.rate, per_second=True),
        "UP": "?" if summary.good is None else format_ratio(summary.good),
        "ALL-UP": "?" if summary.serial is None else format_ratio(summary.serial),
    }
    return [
        summary.name,
        str(summary.count),
        *(shown(metric, value, per_second=counter) for value in values),
        *(more[name] for name in optional),
        _trend(one, summary),
    ]


def _trend(one: Stats, summary: Summary) -> str:
    found = summary.trend
    if found is None:
        return "?"
    if found.direction == "none":
        return "none"
    change = shown(one.metric, abs(found.slope) * 3600, per_second=one.kind is Kind.COUNTER)
    return f"{found.direction.value}, {change} an hour ({format_ratio(found.confidence)} sure)"


def stats_document(found: Sequence[Stats]) -> Mapping[str, Any]:
    return {
        "metrics": [
            {
                "metric": one.metric,
                "unit": _unit(one.metric),
                "kind": one.kind.value,
                "from": utc(one.window.start),
                "until": utc(one.window.until),
                "by": one.by.value,
                "percentile_error": one.error,
                "groups": [_summary(summary) for summary in one.summaries],
            }
            for one in found
        ]
    }


def _summary(summary: Summary) -> Mapping[str, Any]:
    trend = summary.trend
    return {
        "name": summary.name,
        "subjects": summary.subjects,
        "count": summary.count,
        "min": summary.low,
        "avg": summary.mean,
        "max": summary.high,
        **{f"p{number}": value for number, value in summary.percentiles.items()},
        "sum": summary.total,
        "rate_per_second": summary.rate,
        "up_share": summary.good,
        "serial_availability": summary.serial,
        "trend": None
        if trend is None
        else {
            "direction": trend.direction.value,
            "slope_per_second": trend.slope,
            "confidence": trend.confidence,
        },
    }


def _unit(metric: str) -> str:
    unit = unit_of(metric)
    return "" if unit is None else unit.value
