"""The page: verdict, targets, graphs, nodes, agents, what was done. No decisions are made here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from rich.text import Text

from phoenixctl.model.reading import Metric
from phoenixctl.model.snapshot import AgentObservation, NodeObservation, NodeUnobserved
from phoenixctl.model.units import format_ratio
from phoenixctl.performance.over_time import Course, OverTime
from phoenixctl.performance.verdict import Finding, Level, Severity
from phoenixctl.ports.records import Entry
from phoenixctl.render.agents import agent_rows
from phoenixctl.render.neutral import one_line
from phoenixctl.render.report.chart import Chart, Line, spark, svg
from phoenixctl.render.report.style import STYLE
from phoenixctl.render.status import StatusView, state_of
from phoenixctl.render.tables import Cell
from phoenixctl.render.targets import Period, course_of
from phoenixctl.render.values import in_unit, shown

_TONE: Final = {
    Level.HEALTHY: "good",
    Level.DEGRADED: "warn",
    Level.DOWN: "bad",
    Level.EMPTY: "warn",
    Severity.CRITICAL: "bad",
    Severity.WARNING: "warn",
    Severity.NOTE: "dim",
    Course.BETTER: "good",
    Course.WORSE: "warn",
    Course.STEADY: "",
    Course.UNKNOWN: "dim",
}
_OUTCOMES: Final = {"ok": "good", "some failed": "warn", "failed": "bad", "interrupted": "bad"}
_NODE_METRICS: Final = (
    ("CPU", Metric.CPU),
    ("Memory", Metric.MEMORY),
    ("Disk", Metric.DISK),
    ("p95", Metric.RESPONSE_P95),
    ("Messages", Metric.THROUGHPUT),
    ("Errors", Metric.ERROR_RATE),
)
_HEADS: Final = {"CPU": "CPU", "RSS": "Memory", "P95": "p95", "MSG": "Messages", "ERR": "Errors"}
AGENTS_SHOWN: Final = 200


@dataclass(frozen=True, eq=False)
class Report:
    """What the page shows, gathered elsewhere. `sparks`: the CPU of nodes over the window."""

    status: StatusView
    window: str
    start: float
    until: float
    periods: Sequence[Period]
    charts: Sequence[Chart]
    sparks: Mapping[str, Line]
    operations: Sequence[Entry]


def page(report: Report) -> str:
    status = report.status
    name = _plain(status.fleet.name)
    level = status.verdict.level
    snapshot = status.snapshot
    head = (
        f"<h1>{name} is <span class={_TONE[level]}>{level.value}</span></h1>"
        f"<p class=dim>{len(snapshot.observed())} of {len(snapshot.nodes)} nodes answer, "
        f"{len(snapshot.agents())} agents seen, {_plain(snapshot.taken_at_utc)}</p>"
    )
    body = "".join(
        (
            head,
            _findings(status.verdict.findings),
            _section("Targets", _targets(report.periods)),
            _section(f"The last {_plain(report.window)}", _charts(report.charts)),
            _section("Nodes, worst first", _nodes(report)),
            _section("Agents", _agents(report)),
            _section("What was done", _operations(report.operations)),
        )
    )
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        # Nothing may be loaded, whatever a node's name or output says.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{name}: {level.value}</title><style>{STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>{content}"


def _findings(findings: Iterable[Finding]) -> str:
    items = "".join(
        f"<li class={_TONE[f.severity]}><b>{_plain(f.about)}</b> {_plain(f.what)}</li>"
        for f in findings
        if f.severity is not Severity.NOTE
    )
    return f"<ul class=findings>{items}</ul>" if items else ""


def _targets(periods: Sequence[Period]) -> str:
    columns = ["Target", "Wanted", "Over", "Mean", "Compliance", "Deviation", "Met", "Course"]
    rows = [
        _target_row(period.targets[number], period.name, first=period is periods[0])
        for number in range(len(periods[0].targets))
        for period in periods
    ]
    return _table(columns, rows, numbers={1, 3, 4, 5, 6})


def _target_row(one: OverTime, name: str, *, first: bool) -> list[str]:
    unit = one.objective.unit
    tone = "" if one.compliance is None else "good" if one.compliance >= 1 else "warn"
    return [
        _plain(one.objective.name.replace("_", " ")) if first else "",
        _plain(in_unit(one.target, unit)) if first else "",
        _plain(name),
        _plain(in_unit(one.mean, unit)),
        _toned(_percent(one.compliance), tone),
        _percent(one.deviation),
        _percent(one.met),
        _toned(course_of(one), _TONE[one.course]),
    ]


def _charts(charts: Iterable[Chart]) -> str:
    return f"<div class=charts>{''.join(map(_figure, charts))}</div>"


def _figure(chart: Chart) -> str:
    names = "".join(
        f"<i class=c{number % 6}></i>{_plain(line.name)}"
        for number, line in enumerate(chart.lines)
        if len(chart.lines) > 1 or chart.band is not None
    )
    legend = [names] if names else []
    if chart.band is not None:
        legend.append("shaded: from the lowest to the highest of all")
    if chart.target is not None:
        legend.append(f"target {_plain(chart.label(chart.target))}")
    caption = f"<figcaption>{' · '.join(legend)}</figcaption>" if legend else ""
    return f"<figure><h3>{_plain(chart.title)}</h3>{svg(chart)}{caption}</figure>"


def _nodes(report: Report) -> str:
    columns = ["Node", "State", *(name for name, _ in _NODE_METRICS), "CPU over time", "Why"]
    rows = [_node_row(report, node) for node in report.status.nodes]
    return _table(columns, rows, numbers=set(range(2, 2 + len(_NODE_METRICS))))


def _node_row(report: Report, node: NodeObservation | NodeUnobserved) -> list[str]:
    line = report.sparks.get(node.name)
    drawn = "" if line is None else spark(line, report.start, report.until)
    if isinstance(node, NodeUnobserved):
        why = str(node.error).splitlines()[0]
        none = ["-" for _ in _NODE_METRICS]
        return [_plain(node.name), _toned(node.error.kind, "bad"), *none, drawn, _plain(why)]
    findings = report.status.verdict.of(node.name)
    grave = any(f.severity is not Severity.NOTE for f in findings)
    return [
        _plain(node.name),
        _toned(state_of(node, findings).plain, "warn" if grave else "good"),
        *(_plain(shown(metric, node.metrics.get(metric))) for _, metric in _NODE_METRICS),
        drawn,
        _plain("; ".join(f.what for f in findings if f.about == node.name)),
    ]


def _agents(report: Report) -> str:
    found = sorted(report.status.snapshot.agents(), key=_trouble_first)
    if not found:
        return "<p class=none>none runs</p>"
    now = report.status.snapshot.taken_at
    columns, rows, right = agent_rows(found[:AGENTS_SHOWN], now=now, wide=False)
    numbers = {index for index, name in enumerate(columns) if name in right}
    cells = [[_plain(_text(cell)) for cell in row] for row in rows]
    more = len(found) - AGENTS_SHOWN
    note = f"<p class=dim>and {more} more that are ready</p>" if more > 0 else ""
    return (
        _table([_HEADS.get(name, name.capitalize()) for name in columns], cells, numbers=numbers)
        + note
    )


def _trouble_first(agent: AgentObservation) -> tuple[bool, str, int, str]:
    return (agent.ready is True, agent.spec_name, agent.ordinal, agent.node)


def _operations(entries: Sequence[Entry]) -> str:
    if not entries:
        return "<p class=none>nothing was changed yet</p>"
    rows = [
        [
            _plain(entry.id),
            _plain(entry.at),
            _plain(entry.by),
            _toned(entry.outcome, _OUTCOMES.get(entry.outcome, "")),
            str(entry.steps),
            str(entry.failures),
            _plain(entry.title),
        ]
        for entry in entries
    ]
    columns = ["Id", "When", "By", "Outcome", "Steps", "Failed", "What"]
    return _table(columns, rows, numbers={0, 4, 5})


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: set[int]) -> str:
    """Cells are HTML already."""
    kinds = [" class=n" if index in numbers else "" for index in range(len(columns))]
    head = "".join(f"<th{kind}>{name}</th>" for name, kind in zip(columns, kinds, strict=True))
    lines = "".join(
        f"<tr>{''.join(f'<td{k}>{cell}</td>' for cell, k in zip(row, kinds, strict=True))}</tr>"
        for row in rows
    )
    return f"<div class=wide><table><tr>{head}</tr>{lines}</table></div>"


def _toned(text: str, tone: str) -> str:
    return f"<span class={tone}>{_plain(text)}</span>" if tone else _plain(text)


def _percent(value: float | None) -> str:
    return "?" if value is None else format_ratio(value)


def _text(cell: Cell) -> str:
    return cell.plain if isinstance(cell, Text) else cell


def _plain(text: str) -> str:
    """Text from anywhere, which can neither be markup nor control the page."""
    return escape(one_line(text))
