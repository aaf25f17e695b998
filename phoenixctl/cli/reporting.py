"""What the report is made of: the fleet as it is now, and what was kept of the window before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.cli.commands.status import Sort, view_of
from phoenixctl.cli.commands.targets import period
from phoenixctl.cli.metric_query import read
from phoenixctl.cli.periods import length
from phoenixctl.metrics.subjects import FLEET
from phoenixctl.metrics.windows import Window, last
from phoenixctl.model.reading import UNITS, Metric
from phoenixctl.performance.compliance import OBJECTIVES, targets_by_name
from phoenixctl.render.report.chart import Chart, Line
from phoenixctl.render.report.page import Report
from phoenixctl.render.values import in_unit

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts
    from phoenixctl.metrics.series import History
    from phoenixctl.model.reading import Unit

OPERATIONS: Final = 12
NAMED: Final = 3  # nodes that have a line of their own in a graph of many
FEW: Final = 6  # nodes that all have one
GRAPHS: Final = (
    ("CPU by node", Metric.CPU),
    ("Memory by node", Metric.MEMORY),
    ("Response time, 95th percentile, by node", Metric.RESPONSE_P95),
    ("Messages by node", Metric.THROUGHPUT),
    ("Error rate by node", Metric.ERROR_RATE),
    ("Waiting for CPU by node", Metric.PRESSURE_CPU),
    ("Waiting for disks by node", Metric.PRESSURE_IO),
)


async def gathered(parts: Parts, name: str) -> Report:
    """Observe the fleet and read what is kept of the window of this name."""
    window = last(length(name), now=parts.clock.epoch())
    status = await view_of(parts, tuple(parts.fleet.nodes), Sort.WORST)
    entries = await parts.records.history()
    nodes = frozenset(map(str, parts.fleet.nodes))
    cpu = _read(parts, Metric.CPU.value, window)
    return Report(
        status=status,
        window=name,
        start=window.start,
        until=window.until,
        periods=[period(parts, each) for each in dict.fromkeys((name, "7d"))],
        charts=[*_of_fleet(parts, window), *_of_nodes(parts, window, nodes)],
        sparks={line.name: line for line in _lines(cpu) if line.name in nodes},
        operations=entries[:OPERATIONS],
    )


def _of_fleet(parts: Parts, window: Window) -> list[Chart]:
    wanted = targets_by_name(parts.fleet.targets)
    found = []
    for objective in OBJECTIVES:
        lines = [
            Line(objective.name.replace("_", " "), line.times, line.values)
            for line in _lines(_read(parts, objective.name, window))
            if line.name == FLEET
        ]
        if lines:
            title = objective.name.replace("_", " ").capitalize()
            target = wanted[objective.name]
            found.append(
                _chart(
                    title,
                    window,
                    lines,
                    objective.unit,
                    target=target,
                    # What matters of an availability is far from zero.
                    zero=objective.name != "cluster_availability",
                )
            )
    return found


def _of_nodes(parts: Parts, window: Window, nodes: frozenset[str]) -> list[Chart]:
    found = []
    for title, metric in GRAPHS:
        lines = [line for line in _lines(_read(parts, metric.value, window)) if line.name in nodes]
        if lines:
            shown, band = _worth_a_line(lines)
            found.append(_chart(title, window, shown, UNITS[metric], band=band))
    return found


def _chart(
    title: str,
    window: Window,
    lines: list[Line],
    unit: Unit,
    *,
    target: float | None = None,
    band: tuple[Line, Line] | None = None,
    zero: bool = True,
) -> Chart:
    return Chart(
        title,
        window.start,
        window.until,
        lines,
        lambda value: in_unit(value, unit),
        target=target,
        band=band,
        zero=zero,
    )


def _worth_a_line(lines: list[Line]) -> tuple[list[Line], tuple[Line, Line] | None]:
    """All of a few; of many those with most on average, and where all of them are."""
    ranked = sorted(lines, key=lambda line: (-_mean(line), line.name))
    if len(lines) <= FEW:
        return sorted(ranked, key=lambda line: line.name), None
    times = lines[0].times
    together = np.array([line.values for line in lines])
    known = ~np.isnan(together)
    any_known = known.any(axis=0)
    low = np.where(any_known, np.where(known, together, np.inf).min(axis=0), np.nan)
    high = np.where(any_known, np.where(known, together, -np.inf).max(axis=0), np.nan)
    return ranked[:NAMED], (Line("lowest", times, low), Line("highest", times, high))


def _mean(line: Line) -> float:
    known = line.values[~np.isnan(line.values)]
    return float(known.mean()) if known.size else -np.inf


def _lines(history: History) -> list[Line]:
    """A line for each subject for which something is known."""
    values = history.values.astype(np.float64)
    return [
        Line(subject, history.times, values[:, number])
        for number, subject in enumerate(history.subjects)
        if not np.isnan(values[:, number]).all()
    ]


def _read(parts: Parts, metric: str, window: Window) -> History:
    return read(parts.metrics, metric, window, now=window.until)
