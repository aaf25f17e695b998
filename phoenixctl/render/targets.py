"""Targets over windows of time, for people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.metrics.trend import Trend
from phoenixctl.model.units import format_duration, format_ratio
from phoenixctl.performance.over_time import Course, OverTime
from phoenixctl.render.tables import Cell, styled, table
from phoenixctl.render.times import utc
from phoenixctl.render.values import UNKNOWN, in_unit

_STYLE: Final = {
    Course.BETTER: "green",
    Course.WORSE: "yellow",
    Course.STEADY: "",
    Course.UNKNOWN: "dim",
}
_COLUMNS: Final = ("TARGET", "WANTED", "OVER", "MEAN", "COMPLIANCE", "DEVIATION", "MET", "COURSE")


@dataclass(frozen=True, slots=True)
class Period:
    """All targets over one window, under the name that was typed for it."""

    name: str
    targets: Sequence[OverTime]


def print_targets_over_time(periods: Sequence[Period], console: Console) -> None:
    rows: list[list[Cell]] = []
    for number in range(len(periods[0].targets)):
        for period in periods:
            first = period is periods[0]
            rows.append(_row(period.targets[number], period.name, first=first))
    table(
        console,
        _COLUMNS,
        rows,
        right=frozenset(("WANTED", "MEAN", "COMPLIANCE", "DEVIATION", "MET")),
        drop=("DEVIATION", "MEAN"),
    )
    if not any(one.count for period in periods for one in period.targets):
        hint = "nothing is kept of these windows yet: phoenixctl metrics collect, best from cron"
        console.print(Text(hint, style="dim"), soft_wrap=True)


def _row(one: OverTime, name: str, *, first: bool) -> list[Cell]:
    unit = one.objective.unit
    met = one.compliance is not None and one.compliance >= 1
    return [
        one.objective.name.replace("_", " ") if first else "",
        in_unit(one.target, unit) if first else "",
        name,
        in_unit(one.mean, unit),
        styled(_share(one.compliance), "" if one.compliance is None else _level(met=met)),
        _share(one.deviation),
        _share(one.met),
        styled(course_of(one), _STYLE[one.course]),
    ]


def _level(*, met: bool) -> str:
    return "green" if met else "yellow"


def course_of(one: OverTime) -> str:
    """`worse by 2ms an hour (99% sure), missed in 3h`."""
    if one.course is Course.UNKNOWN:
        return "?" if one.count else "not known"
    if one.course is Course.STEADY or one.trend is None:
        return one.course.value
    by = in_unit(abs(one.trend.slope) * 3600, one.objective.unit)
    words = f"{one.course.value} by {by} an hour ({format_ratio(one.trend.confidence)} sure)"
    if one.missed_in_seconds is not None:
        words += f", missed in {format_duration(one.missed_in_seconds)}"
    return words


def _share(value: float | None) -> str:
    return UNKNOWN if value is None else format_ratio(value)


def targets_document(fleet: str, periods: Sequence[Period]) -> Mapping[str, Any]:
    return {
        "fleet": fleet,
        "windows": [
            {
                "name": period.name,
                "from": utc(period.targets[0].window.start),
                "until": utc(period.targets[0].window.until),
                "targets": [target_document(one) for one in period.targets],
            }
            for period in periods
        ],
    }


def target_document(one: OverTime) -> Mapping[str, Any]:
    return {
        "name": one.objective.name,
        "unit": one.objective.unit.value,
        "target": one.target,
        "count": one.count,
        "latest": one.latest,
        "mean": one.mean,
        "compliance": one.compliance,
        "deviation": one.deviation,
        "met_share": one.met,
        "course": one.course.value,
        "trend": trend_document(one.trend),
        "missed_in_seconds": one.missed_in_seconds,
    }


def trend_document(trend: Trend | None) -> Mapping[str, Any] | None:
    if trend is None:
        return None
    return {
        "direction": trend.direction.value,
        "slope_per_second": trend.slope,
        "confidence": trend.confidence,
    }
