"""The first lines of the live view: the verdict, the fleet's numbers, what is being done to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from phoenixctl.model.alerting import Alert, Status
from phoenixctl.model.histogram import Histogram, merged
from phoenixctl.model.reading import AgentMetric, Unit
from phoenixctl.model.snapshot import AgentObservation, AgentState
from phoenixctl.model.units import format_duration
from phoenixctl.performance.compliance import Compliance
from phoenixctl.performance.verdict import Level, Severity, covers
from phoenixctl.render.neutral import one_line
from phoenixctl.render.top.columns import graded
from phoenixctl.render.top.rows import serves
from phoenixctl.render.top.view import Doing, Line, Piece, TopView
from phoenixctl.render.values import in_unit

_LEVEL: Final = {
    Level.HEALTHY: "bold green",
    Level.DEGRADED: "bold yellow",
    Level.DOWN: "bold red",
    Level.EMPTY: "bold yellow",
}
_SEVERITY: Final = {"critical": "red", "warning": "yellow", "note": "dim"}
_WIDE: Final = 140  # from here on there is room for more than how far targets are met
_SHORT: Final = {
    "agent_response_time_p95": "p95",
    "message_throughput": "throughput",
    "cluster_availability": "availability",
    "resource_utilization": "utilisation",
    "scaling_response_time": "scaling",
}


def header(view: TopView, width: int, *, tall: bool) -> tuple[Line, ...]:
    """Three lines; a fourth one about the targets when the screen is `tall`."""
    lines = (_numbers(view, width), _findings(view), _doing(view))
    return (*lines, _targets(view.targets, full=width >= _WIDE)) if tall else lines


def fleet_numbers(view: TopView) -> dict[str, float | None]:
    """Response times, errors and throughput of all agents together, None where unknown."""
    agents = view.snapshot.agents()
    responses: Histogram | None = merged(a.responses for a in agents if a.responses is not None)
    flows = [flow for agent in agents if (flow := _of(agent, AgentMetric.THROUGHPUT)) is not None]
    return {
        "p95": responses.quantile(0.95) if responses else None,
        "p99": responses.quantile(0.99) if responses else None,
        "error_rate": _errors(agents),
        "throughput": sum(flows) if flows else None,
    }


def agents_ready(view: TopView) -> tuple[int, int]:
    """How many agents serve, of how many: those of the configuration, or that chosen nodes have."""
    ready = {agent.id for agent in view.snapshot.agents() if serves(agent)}
    if covers(view.fleet, view.snapshot):
        wanted = {agent.id for agent in view.fleet.instances()}
    else:
        there = (agent for node in view.last.values() for agent in node.agents)
        wanted = {agent.id for agent in there if agent.state is not AgentState.STOPPED}
    return len(ready & wanted), len(wanted)


def _numbers(view: TopView, width: int) -> Line:
    """As many of the numbers as there is room for, the first ones before the others."""
    answering, nodes = len(view.snapshot.observed()), len(view.nodes)
    ready, wanted = agents_ready(view)
    found = fleet_numbers(view)
    level, style = view.verdict.level.value, f"{_LEVEL[view.verdict.level]} reverse"
    if view.nodes and not view.snapshot.nodes:
        level, style = "asking", "bold reverse dim"
    name = one_line(view.fleet.name)
    pieces: list[Piece] = [(name, "bold"), (" ", ""), (f" {level.upper()} ", style)]
    for name, text, style in (
        ("nodes", f"{answering}/{nodes}", "" if answering == nodes else "red"),
        ("agents", f"{ready}/{wanted}", "" if ready == wanted else "yellow"),
        ("p95", in_unit(found["p95"], Unit.SECONDS), ""),
        ("p99", in_unit(found["p99"], Unit.SECONDS), ""),
        ("err", in_unit(found["error_rate"], Unit.RATIO), graded(found["error_rate"], (0.05, 0.1))),
        ("msg", _flow(found["throughput"]), ""),
    ):
        more = [("  ", ""), (f"{name} ", "dim"), (text, f"bold {style}".strip())]
        if sum(len(part) for part, _ in (*pieces, *more)) <= width:
            pieces += more
    return tuple(pieces)


def _flow(per_second: float | None) -> str:
    """As everywhere, but short for many: `14.2k/s`."""
    if per_second is None or per_second < 10_000:
        return in_unit(per_second, Unit.PER_SECOND)
    return f"{per_second / 1000:.1f}k/s"


def _findings(view: TopView) -> Line:
    """The gravest one, and how many more there are."""
    grave = [f for f in view.verdict.findings if f.severity is not Severity.NOTE]
    if not view.snapshot.nodes:
        return (("asking the nodes", "dim"),)
    if not grave:
        return (("nothing is wrong", "dim"),)
    first = grave[0]
    style = _SEVERITY[first.severity.value]
    what = one_line(first.what.removeprefix(first.about))
    more = f"  +{len(grave) - 1} more" if len(grave) > 1 else ""
    return (
        ("● ", style),
        (one_line(first.about), f"bold {style}"),
        (f" {what}", style),
        (more, "dim"),
    )


def _doing(view: TopView) -> Line:
    """What is being changed, and which alerts fire."""
    pieces: list[Piece] = []
    for doing in view.doing[:1]:
        pieces += _operation(doing, view.at)
    if not pieces:
        pieces.append(("no change is under way", "dim"))
    if view.alerts is not None:
        pieces += _alerts(view.alerts, view.at)
    return tuple(pieces)


def _operation(doing: Doing, now: float) -> list[Piece]:
    mark, style = ("✗ cut off: ", "yellow") if doing.cut_off else ("▶ ", "cyan")
    since = "" if doing.since is None else f", since {format_duration(max(0.0, now - doing.since))}"
    pieces = [(mark, style), (one_line(doing.operation), f"bold {style}")]
    pieces.append((f" by {one_line(doing.by)}{since}", "dim"))
    if doing.steps:
        more = f" +{len(doing.steps) - 1}" if len(doing.steps) > 1 else ""
        pieces.append((f": {one_line(doing.steps[0])}{more}", ""))
    return pieces


def _alerts(alerts: tuple[Alert, ...], now: float) -> list[Piece]:
    """How many fire, and the gravest one, the latest of several."""
    if not alerts:
        return [("   no alert fires", "dim")]
    first = min(alerts, key=lambda alert: (alert.status is not Status.CRITICAL, -alert.since))
    style = "red" if first.status is Status.CRITICAL else "yellow"
    many = f"   {len(alerts)} alert{'s' if len(alerts) > 1 else ''}: "
    since = format_duration(max(0.0, now - first.since))
    return [(many, f"bold {style}"), (one_line(f"{first.summary}, since {since}"), style)]


def _targets(targets: Iterable[Compliance], *, full: bool) -> Line:
    pieces: list[Piece] = [("targets", "dim")]
    for row in targets:
        if row.current.value is None:
            continue
        unit = row.objective.unit
        met = f"{(row.compliance or 0.0) * 100:.0f}%"
        name = _SHORT.get(row.objective.name, row.objective.name)
        now = f"{in_unit(row.current.value, unit)} of {in_unit(row.target, unit)} "
        style = "green" if (row.compliance or 0.0) >= 1 else "yellow"
        pieces += [(f"  {name} ", "dim"), (now if full else "", ""), (met, style)]
    return tuple(pieces) if len(pieces) > 1 else ()


def _errors(agents: Iterable[AgentObservation]) -> float | None:
    """The error rate of all messages together."""
    known = [
        (rate, 1.0 if (flow := _of(agent, AgentMetric.THROUGHPUT)) is None else flow)
        for agent in agents
        if (rate := _of(agent, AgentMetric.ERROR_RATE)) is not None
    ]
    if not known:
        return None
    messages = sum(flow for _, flow in known)
    if not messages:
        return sum(rate for rate, _ in known) / len(known)
    return sum(rate * flow for rate, flow in known) / messages


def _of(agent: AgentObservation, metric: AgentMetric) -> float | None:
    reading = agent.metrics.get(metric)
    return reading.value if reading is not None else None
