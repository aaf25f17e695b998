"""One node and one agent in full, as lines of the live view."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.reading import UNITS, AgentMetric, Metric, Reading, Unit
from phoenixctl.model.snapshot import AgentObservation, NodeObservation, NodeUnobserved
from phoenixctl.model.units import format_duration
from phoenixctl.performance.verdict import Finding, Severity
from phoenixctl.render.agents import limits_text
from phoenixctl.render.neutral import neutralise, one_line
from phoenixctl.render.top.bars import bars
from phoenixctl.render.top.rows import agent_rows, node_rows
from phoenixctl.render.top.view import Line, Piece, TopView
from phoenixctl.render.values import shown

M = TypeVar("M", Metric, AgentMetric)

NODE_COURSES: Final = (
    Metric.CPU,
    Metric.MEMORY,
    Metric.PRESSURE_CPU,
    Metric.RESPONSE_P95,
    Metric.THROUGHPUT,
    Metric.ERROR_RATE,
)
AGENT_COURSES: Final = (
    AgentMetric.CPU,
    AgentMetric.RSS,
    AgentMetric.RESPONSE_P95,
    AgentMetric.THROUGHPUT,
)
_SEVERITY: Final = {Severity.CRITICAL: "red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}
_NAME: Final = 22  # how wide the name of a value is
_VALUE: Final = 10
_LONGEST: Final = 120  # signs of a course
_FINDINGS: Final = 4


def node_page(
    view: TopView, name: NodeName, width: int, kept: Mapping[Metric, Sequence[float]]
) -> tuple[Line, ...]:
    """A node's facts, what is wrong with it, the course of its values, and all the others.

    `kept`: values of the last hour from where metrics are kept, where there are some.
    """
    found, last = view.snapshot.nodes.get(name), view.last.get(name)
    configured = view.fleet.nodes[name]
    row = next(row for row in node_rows(view) if row.name == name)
    address = f"{configured.user}@" if configured.user else ""
    facts = f"pool {configured.pool}, {address}{configured.address}"
    lines: list[Line] = [
        ((one_line(name), "bold"), ("  ", ""), (row.state, row.style), (f"  {facts}", "dim"))
    ]
    if isinstance(found, NodeUnobserved):
        lines += _silence(found, last, view.snapshot.taken_at)
    elif last is not None:
        lines.append(_answer(last, view.snapshot.taken_at))
    lines += _findings(view.verdict.of(name), {name})
    if last is None:
        return tuple(lines)
    old = not isinstance(found, NodeObservation)
    courses = view.courses.get(name, {})
    lines += _courses(NODE_COURSES, last.metrics, courses, kept, width, old=old)
    others = [metric for metric in Metric if metric not in NODE_COURSES]
    return (*lines, (), *_values(others, last.metrics, width, old=old))


def agent_page(view: TopView, agent: AgentId, node: NodeName, width: int) -> tuple[Line, ...]:
    """An agent's facts on a node, the course of its values, and all the others."""
    last = view.last.get(node)
    seen = next((a for a in last.agents if a.id == agent), None) if last is not None else None
    if seen is None:
        return (((one_line(agent), "bold"), (f"  is not on {one_line(node)} any more", "yellow")),)
    row = next(row for row in agent_rows(view, node) if row.name == agent)
    age = "" if row.age_seconds is None else f"  {format_duration(row.age_seconds)} ago"
    head: Line = (
        (one_line(agent), "bold"), ("  ", ""), (row.state, row.style),
        (f"  on {one_line(node)}", ""), (age, "yellow" if row.old else "dim"),
    )  # fmt: skip
    lines: list[Line] = [head, *_facts(seen)]
    about = [f for f in view.verdict.findings if f.about == agent]
    lines += _findings(about, set())
    lines += _courses(
        AGENT_COURSES, seen.metrics, view.courses.get(f"{node}/{agent}", {}), {}, width, old=row.old
    )
    others = [metric for metric in AgentMetric if metric not in AGENT_COURSES]
    return (*lines, (), *_values(others, seen.metrics, width, old=row.old))


def log_lines(written: bytes) -> tuple[Line, ...]:
    """What an agent wrote, harmless; tabs are blanks."""
    text = neutralise(written).expandtabs(4)
    return tuple(((line, ""),) for line in text.splitlines())


def _answer(node: NodeObservation, now: float) -> Line:
    cordon = f", cordoned by {node.cordon.by}: {node.cordon.reason}" if node.cordon else ""
    said = f"{node.hostname}, {node.kernel}, {node.supervisor}{cordon}"
    age = format_duration(max(0.0, now - node.at))
    return (
        (one_line(said), "dim"),
        (f"; answered in {format_duration(node.seconds)}, {age} ago", "dim"),
    )


def _silence(found: NodeUnobserved, last: NodeObservation | None, now: float) -> list[Line]:
    if last is None:
        words = "it has not answered yet"
    else:
        words = f"values are of its last answer, {format_duration(max(0.0, now - last.at))} ago"
    lines: list[Line] = [((words, "yellow"),)]
    if found.error.hint:
        lines.append((("try: ", "dim"), (one_line(found.error.hint), "")))
    return lines


def _facts(agent: AgentObservation) -> list[Line]:
    def or_dash(value: object) -> str:
        return "-" if value is None else str(value)

    first = (
        f"pid {or_dash(agent.pid)}, port {or_dash(agent.port)}, epoch {agent.epoch}, {agent.role},"
        f" {agent.supervisor}, spec {agent.spec_digest[:12]}"
    )
    lines: list[Line] = [((one_line(first), "dim"),), ((limits_text(agent), "dim"),)]
    if agent.detail or agent.held:
        lines.append(((one_line(agent.detail or agent.held), "yellow"),))
    return lines


def _findings(findings: Iterable[Finding], itself: set[str]) -> list[Line]:
    lines: list[Line] = []
    findings = list(findings)
    for finding in findings[:_FINDINGS]:
        who = "" if finding.about in itself else f"{finding.about} "
        style = _SEVERITY[finding.severity]
        lines.append((("● ", style), (one_line(who + finding.what), style)))
    if len(findings) > _FINDINGS:
        lines.append(((f"  +{len(findings) - _FINDINGS} more", "dim"),))
    return lines


def _courses(
    metrics: Iterable[M],
    readings: Mapping[M, Reading],
    courses: Mapping[Metric | AgentMetric, Sequence[float]],
    kept: Mapping[Metric, Sequence[float]],
    width: int,
    *,
    old: bool,
) -> list[Line]:
    """A line for each: its value, its course over the last rounds, and over the last hour."""
    room = width - _NAME - _VALUE - 2
    parts = [course for course in (kept,) if course]
    each = max(0, min(_LONGEST, (room - 2) // (len(parts) + 1)))
    lines: list[Line] = [()]
    if parts:
        head = " " * (_NAME + _VALUE + 2) + "this session".ljust(each + 2) + "last hour"
        lines = [((head, "dim"),)]
    for metric in metrics:
        pieces: list[Piece] = _named(metric, readings, old=old)
        pieces.append((f"  {_course(metric, courses.get(metric, ()), each)}", "cyan"))
        if parts and isinstance(metric, Metric):
            pieces.append((f"  {_course(metric, kept.get(metric, ()), each)}", "blue"))
        lines.append(tuple(pieces))
    return lines


def _values(
    metrics: Sequence[M], readings: Mapping[M, Reading], width: int, *, old: bool
) -> list[Line]:
    """Values beside each other, as many as there is room for, columns after columns."""
    known = [m for m in metrics if (found := readings.get(m)) and found.value is not None]
    beside = max(1, (width + 3) // (_NAME + _VALUE + 3))
    deep = math.ceil(len(known) / beside)
    lines: list[Line] = []
    for number in range(deep):
        pieces: list[Piece] = []
        for metric in known[number::deep]:
            pieces += _named(metric, readings, old=old)
            pieces.append(("   ", ""))
        lines.append(tuple(pieces))
    unknown = [metric.value.replace("_", " ") for metric in metrics if metric not in known]
    return [*lines, ((f"not known: {', '.join(unknown)}", "dim"),)] if unknown else lines


def _named(metric: M, readings: Mapping[M, Reading], *, old: bool) -> list[Piece]:
    value = shown(metric, readings.get(metric))
    name = metric.value.replace("_", " ")
    style = "dim italic" if old else ""
    return [(f"{name:{_NAME}}", "dim"), (f"{value:>{_VALUE}}", style)]


def _course(metric: Metric | AgentMetric, values: Sequence[float], width: int) -> str:
    """Shares of something full are drawn as such; of others, the highest seen is a full bar."""
    whole = UNITS[metric] is Unit.RATIO and metric is not Metric.ERROR_RATE
    return bars(values, width, full=1.0 if whole else None).ljust(width)
