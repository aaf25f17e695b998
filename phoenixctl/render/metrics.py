"""Metrics over time: what there is, values with their course, statistics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.metrics.grouping import By
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.series import History
from phoenixctl.metrics.subjects import agent_of
from phoenixctl.metrics.summary import Summary
from phoenixctl.metrics.windows import Window
from phoenixctl.model.units import format_duration, format_ratio
from phoenixctl.render.metric_values import kind_of, shown, unit_of
from phoenixctl.render.neutral import one_line
from phoenixctl.render.plots import plot, resampled, sparkline
from phoenixctl.render.tables import Cell, table
from phoenixctl.render.times import utc

_SPARK_WIDTH: Final = 24
_PLOT_WIDTH: Final = 60
_PLOT_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """A metric over a window, chosen elsewhere."""

    metric: str
    history: History
    window: Window


# What there is


def print_listed(listed: Mapping[str, Sequence[str]], console: Console) -> None:
    """`listed`: the subjects of each metric."""
    if not listed:
        console.print(Text("no metrics are kept yet", style="dim"))
        return
    rows = [
        [metric, kind_of(metric).value, _unit(metric), *map(str, _counts(subjects))]
        for metric, subjects in listed.items()
    ]
    columns = ("METRIC", "KIND", "UNIT", "NODES", "AGENTS")
    table(console, columns, rows, right=frozenset(("NODES", "AGENTS")))


def listed_document(fleet: str, listed: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    return {
        "fleet": fleet,
        "metrics": [
            {
                "metric": metric,
                "kind": kind_of(metric).value,
                "unit": _unit(metric),
                "subjects": list(subjects),
            }
            for metric, subjects in listed.items()
        ],
    }


def _counts(subjects: Sequence[str]) -> tuple[int, int]:
    agents = sum(agent_of(subject) is not None for subject in subjects)
    return len(subjects) - agents, agents


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
        rows: list[list[Cell]] = []
        for subject, values in _columns(one.history):
            last = _last(one.history, values)
            rows.append(
                [
                    subject,
                    shown(one.metric, last[1] if last else None),
                    format_duration(max(0.0, now - last[0])) if last else "-",
                    sparkline(_course(one, values, _SPARK_WIDTH)),
                ]
            )
        table(
            console,
            ("SUBJECT", "LAST", "AGE", "COURSE"),
            rows,
            right=frozenset(("LAST", "AGE")),
        )


def values_document(found: Sequence[Shown]) -> Mapping[str, Any]:
    return {
        "metrics": [
            {
                "metric": one.metric,
                "unit": _unit(one.metric),
                "from": utc(one.window.start),
                "until": utc(one.window.until),
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
    for subject, values in _columns(one.history):
        console.print(Text(one_line(subject), style="dim"), soft_wrap=True)
        course = _course(one, values, 2 * width)
        for line in plot(
            course, width=width, height=_PLOT_HEIGHT, label=lambda value: shown(one.metric, value)
        ) or ["nothing is known of it in this window"]:
            console.print(Text(line), soft_wrap=True)
    console.print(
        Text(f"{utc(one.window.start)} to {utc(one.window.until)}", style="dim"), soft_wrap=True
    )


def _course(one: Shown, values: Sequence[float], count: int) -> list[float]:
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
    """A metric's summaries over a window."""

    metric: str
    window: Window
    by: By
    summaries: tuple[Summary, ...]


def print_stats(found: Sequence[Stats], console: Console) -> None:
    for number, one in enumerate(found):
        if number:
            console.print()
        title = one.metric + (", per second" if _is_counter(one.metric) else "")
        console.print(Text(one_line(title), style="bold"), soft_wrap=True)
        optional = [name for name in ("RATE", "UP") if _has(one, name)]
        columns = [one.by.value.upper(), *_NUMBERS, *optional, "TREND"]
        rows = [_stats_row(one.metric, summary, optional) for summary in one.summaries]
        drop = ("SUM", "P99", "COUNT")
        table(console, columns, rows, right=frozenset((*_NUMBERS, *optional)), drop=drop)


_NUMBERS: Final = ("COUNT", "MIN", "AVG", "MAX", "P50", "P95", "P99", "SUM")


def _has(one: Stats, name: str) -> bool:
    if name == "RATE":
        return _is_counter(one.metric)
    return any(summary.good is not None for summary in one.summaries)


def _stats_row(metric: str, summary: Summary, optional: Sequence[str]) -> list[Cell]:
    counter = _is_counter(metric)
    values = (summary.low, summary.mean, summary.high, *summary.percentiles.values(), summary.total)
    more = {
        "RATE": shown(metric, summary.rate, per_second=True),
        "UP": "?" if summary.good is None else format_ratio(summary.good),
    }
    return [
        summary.name,
        str(summary.count),
        *(shown(metric, value, per_second=counter) for value in values),
        *(more[name] for name in optional),
        _trend(metric, summary),
    ]


def _trend(metric: str, summary: Summary) -> str:
    found = summary.trend
    if found is None:
        return "?"
    if found.direction == "none":
        return "none"
    change = shown(metric, abs(found.slope) * 3600, per_second=_is_counter(metric))
    return f"{found.direction.value}, {change} an hour ({format_ratio(found.confidence)} sure)"


def stats_document(found: Sequence[Stats]) -> Mapping[str, Any]:
    return {
        "metrics": [
            {
                "metric": one.metric,
                "unit": _unit(one.metric),
                "kind": kind_of(one.metric).value,
                "from": utc(one.window.start),
                "until": utc(one.window.until),
                "by": one.by.value,
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
        "trend": None
        if trend is None
        else {
            "direction": trend.direction.value,
            "slope_per_second": trend.slope,
            "confidence": trend.confidence,
        },
    }


def _is_counter(metric: str) -> bool:
    return kind_of(metric) is Kind.COUNTER


def _unit(metric: str) -> str:
    unit = unit_of(metric)
    return "" if unit is None else unit.value
