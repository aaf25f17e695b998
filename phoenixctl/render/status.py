"""`status`: the verdict first, then the worst nodes, agents, targets; the age of every value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.reading import Metric
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)
from phoenixctl.model.units import format_duration
from phoenixctl.performance.compliance import Compliance, fleet_compliance
from phoenixctl.performance.verdict import Finding, Level, Severity, Verdict, covers
from phoenixctl.render.agents import DROPPED, agent_document, agent_rows
from phoenixctl.render.gather import fold
from phoenixctl.render.tables import Cell, styled, table
from phoenixctl.render.values import in_unit, reading_document, shown

LEVEL_STYLE: Final = {
    Level.HEALTHY: "bold green",
    Level.DEGRADED: "bold yellow",
    Level.DOWN: "bold red",
    Level.EMPTY: "bold yellow",
}
SEVERITY_STYLE: Final = {
    Severity.CRITICAL: "red",
    Severity.WARNING: "yellow",
    Severity.NOTE: "dim",
}
FINDINGS_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class StatusView:
    """Everything `status` shows, decided elsewhere."""

    fleet: Fleet
    snapshot: Snapshot
    verdict: Verdict
    targets: tuple[Compliance, ...]
    nodes: Sequence[NodeObservation | NodeUnobserved]  # in the order to show


_COLUMNS: Final[tuple[tuple[str, Metric], ...]] = (
    ("CPU", Metric.CPU),
    ("MEM", Metric.MEMORY),
    ("DISK", Metric.DISK),
    ("NET", Metric.NETWORK),
    ("LOAD", Metric.LOAD_1),
    ("AGENTS", Metric.AGENTS),
    ("QUEUE", Metric.QUEUE),
    ("P95", Metric.RESPONSE_P95),
    ("MSG", Metric.THROUGHPUT),
    ("ERR", Metric.ERROR_RATE),
)
_WIDE: Final[tuple[tuple[str, Metric], ...]] = (
    ("MEAN", Metric.RESPONSE_MEAN),
    ("AVAIL", Metric.AVAILABILITY),
    ("PROCS", Metric.PROCESSES),
    ("RUNQ", Metric.RUN_QUEUE),
    ("SWITCHES", Metric.SCHEDULING_RATE),
    ("PSI-CPU", Metric.PRESSURE_CPU),
    ("PSI-MEM", Metric.PRESSURE_MEMORY),
    ("PSI-IO", Metric.PRESSURE_IO),
    ("UPTIME", Metric.UPTIME),
)


def print_status(view: StatusView, console: Console, *, wide: bool) -> None:
    print_verdict(view, console)
    console.print()
    print_nodes(view, console, wide=wide)
    agents = _ordered(view)
    if agents:
        console.print()
        print_agents_of(agents, console, view.snapshot, wide=wide)
    console.print()
    print_targets(view, console)


def print_verdict(view: StatusView, console: Console) -> None:
    snapshot, verdict = view.snapshot, view.verdict
    answered, total = len(snapshot.observed()), len(snapshot.nodes)
    running = sum(a.state is AgentState.RUNNING for a in snapshot.agents())
    if covers(view.fleet, snapshot):
        counts = f"{answered} of {total} nodes answer"
        counts += f", {running} of {len(view.fleet.instances())} agents run"
    else:
        counts = f"{answered} of the {total} nodes chosen answer, {running} agents run there"
    head = Text.assemble(
        (view.fleet.name, "bold"),
        " is ",
        (str(verdict.level), LEVEL_STYLE[verdict.level]),
        f": {counts}",
    )
    console.print(head, soft_wrap=True)
    lines = _folded(f for f in verdict.findings if f.severity is not Severity.NOTE)
    for line in lines[:FINDINGS_SHOWN]:
        console.print(line, soft_wrap=True)
    if len(lines) > FINDINGS_SHOWN:
        console.print(f"  and {len(lines) - FINDINGS_SHOWN} more, see the rows", style="dim")


def _folded(findings: Iterable[Finding]) -> list[Text]:
    """A line for each thing found, under the names of all that have it."""
    about: dict[tuple[Severity, str], list[str]] = {}
    for finding in findings:
        about.setdefault((finding.severity, finding.what), []).append(finding.about)
    lines = []
    for (severity, what), names in about.items():
        line = Text("  ")
        line.append_text(styled(fold(names), f"bold {SEVERITY_STYLE[severity]}"))
        line.append("  ")
        line.append_text(styled(what, ""))
        lines.append(line)
    return lines


def print_nodes(view: StatusView, console: Console, *, wide: bool) -> None:
    metrics = _COLUMNS + (_WIDE if wide else ())
    extra = ("POOL", "ADDRESS") if wide else ()
    columns = ("NODE", "STATE", *extra, *(name for name, _ in metrics), "AGE", "WHY")
    rows = [_node_row(view, node, metrics, wide=wide) for node in view.nodes]
    right = frozenset(name for name, _ in metrics) | {"AGE"}
    # On a narrow terminal: what a finding would name anyway goes first.
    drop = (*(name for name, _ in reversed(_WIDE)), "NET", "QUEUE", "LOAD", "DISK", "ERR", "AGE")
    table(console, columns, rows, right=right, drop=drop)


def _node_row(
    view: StatusView,
    node: NodeObservation | NodeUnobserved,
    metrics: Iterable[tuple[str, Metric]],
    *,
    wide: bool,
) -> list[Cell]:
    configured = view.fleet.nodes[node.name]
    where = [configured.pool, configured.address] if wide else []
    age = format_duration(max(0.0, view.snapshot.taken_at - node.at))
    findings = view.verdict.of(node.name)
    if isinstance(node, NodeUnobserved):
        cells: list[Cell] = ["-" for _ in metrics]
        state = styled(node.error.kind, "red")
        return [styled(node.name, "red"), state, *where, *cells, "-", _first(str(node.error))]
    values: list[Cell] = [shown(metric, node.metrics.get(metric)) for _, metric in metrics]
    own = [f for f in findings if f.about == node.name]
    why = "; ".join(f.what for f in own)
    style = _style(findings)
    return [styled(node.name, style), state_of(node, findings), *where, *values, age, why]


def state_of(node: NodeObservation, findings: Iterable[Finding]) -> Text:
    """`ok`, `cordoned`, or the gravest finding's kind."""
    if any(f.what.startswith("slow") for f in findings):
        return styled("slow", "yellow")
    if node.cordon is not None:
        return styled("cordoned", "cyan")
    if any(f.severity is not Severity.NOTE for f in findings):
        return styled("degraded", _style(findings))
    return styled("ok", "green")


def _style(findings: Iterable[Finding]) -> str:
    severities = {f.severity for f in findings}
    if Severity.CRITICAL in severities:
        return "red"
    return "yellow" if Severity.WARNING in severities else ""


def _ordered(view: StatusView) -> list[AgentObservation]:
    trouble = {f.about for f in view.verdict.findings if f.severity is not Severity.NOTE}
    shown_nodes = {node.name for node in view.nodes}
    alive = {a.id for a in view.snapshot.agents() if a.state is not AgentState.STOPPED}
    agents = [
        a
        for a in view.snapshot.agents()
        # What an agent left behind when it moved is for `agents ls`.
        if a.node in shown_nodes and (a.state is not AgentState.STOPPED or a.id not in alive)
    ]
    return sorted(agents, key=lambda a: (a.id not in trouble, a.spec_name, a.ordinal, a.node))


def print_agents_of(
    agents: Sequence[AgentObservation], console: Console, snapshot: Snapshot, *, wide: bool
) -> None:
    columns, rows, right = agent_rows(agents, now=snapshot.taken_at, wide=wide)
    table(console, columns, rows, right=right, drop=DROPPED)


def print_targets(view: StatusView, console: Console) -> None:
    rows: list[list[Cell]] = []
    for row in view.targets:
        unit = row.objective.unit
        level = "" if row.compliance is None else "green" if row.compliance >= 1 else "yellow"
        age = format_duration(max(0.0, view.snapshot.taken_at - row.current.at))
        rows.append(
            [
                row.objective.name.replace("_", " "),
                in_unit(row.target, unit),
                in_unit(row.current.value, unit),
                styled(_share(row.compliance), level),
                _share(row.deviation),
                age if row.current.value is not None else "-",
                row.note,
            ]
        )
    columns = ("TARGET", "WANTED", "NOW", "COMPLIANCE", "DEVIATION", "AGE", "NOTE")
    right = frozenset(columns[1:6])
    table(console, columns, rows, right=right, drop=("DEVIATION", "AGE"))
    overall = fleet_compliance(view.targets)
    if overall is not None:
        console.print(f"compliance of the fleet {_share(overall)}", style="dim")


def _share(value: float | None) -> str:
    return "?" if value is None else f"{value * 100:.0f}%"


def _first(text: str) -> str:
    return text.splitlines()[0] if text else ""


def status_document(view: StatusView) -> Mapping[str, Any]:
    """The same for programs."""
    snapshot, now = view.snapshot, view.snapshot.taken_at
    return {
        "fleet": view.fleet.name,
        "taken_at": snapshot.taken_at_utc,
        "verdict": {
            "level": view.verdict.level.value,
            "findings": [
                {
                    "severity": f.severity.value,
                    "about": f.about,
                    "what": f.what,
                    "node": f.node,
                }
                for f in view.verdict.findings
            ],
        },
        "compliance": fleet_compliance(view.targets),
        "targets": [
            {
                "name": row.objective.name,
                "unit": row.objective.unit.value,
                "target": row.target,
                "current": row.current.value,
                "compliance": row.compliance,
                "deviation": row.deviation,
                "age_seconds": round(max(0.0, now - row.current.at), 3),
                "unknown": row.current.why if row.current.value is None else None,
            }
            for row in view.targets
        ],
        "nodes": [node_document(view.fleet, node, now=now) for node in view.nodes],
    }


def node_document(
    fleet: Fleet, node: NodeObservation | NodeUnobserved, *, now: float
) -> dict[str, Any]:
    """One node for programs."""
    configured = fleet.nodes[node.name]
    common: dict[str, Any] = {
        "name": node.name,
        "pool": configured.pool,
        "address": configured.address,
        "labels": dict(configured.labels),
        "age_seconds": round(max(0.0, now - node.at), 3),
        "seconds": round(node.seconds, 3),
    }
    if isinstance(node, NodeUnobserved):
        error = {"kind": node.error.kind, "what": node.error.what, "hint": node.error.hint}
        return {**common, "reachable": False, "error": error}
    cordon = node.cordon
    return {
        **common,
        "reachable": True,
        "boot_id": node.boot_id,
        "hostname": node.hostname,
        "kernel": node.kernel,
        "supervisor": node.supervisor.value,
        "base_dir": node.base_dir,
        "cordon": cordon and {"by": cordon.by, "at": cordon.at, "reason": cordon.reason},
        "warnings": list(node.warnings),
        "metrics": {
            metric.value: reading_document(metric, reading, now=now)
            for metric, reading in node.metrics.items()
        },
        "agents": [agent_document(agent, now=now) for agent in node.agents],
    }
