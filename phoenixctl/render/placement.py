"""Places for agents, and the placement in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from phoenixctl.model.placement import (
    Placement,
    PlacementStats,
    Rejection,
    Room,
    Ruling,
    Usage,
    Violation,
)
from phoenixctl.model.units import format_bytes, format_cores
from phoenixctl.render.explain import rejection_document, ruling_document
from phoenixctl.render.gather import fold
from phoenixctl.render.neutral import one_line
from phoenixctl.render.tables import Cell, pairs, styled, table


def print_places(found: Placement, console: Console) -> None:
    """Which node each agent would get, and why some get none."""
    rows = [[agent, node] for agent, node in found.assigned.items()]
    if rows:
        table(console, ("AGENT", "NODE"), rows)
    elif not found.unplaced:
        console.print("every agent has its place")
    for agent, reasons in found.unplaced.items():
        console.print(styled(f"{agent} fits on no node:", "bold yellow"), soft_wrap=True)
        _print_reasons(reasons, console)


def places_document(found: Placement, ruling: Ruling | None = None) -> Mapping[str, Any]:
    """Which node each agent would get, and why some get none, for programs."""
    return {
        **ruling_document(ruling),
        "assigned": dict(found.assigned),
        "unplaced": {
            agent: [rejection_document(r) for r in reasons]
            for agent, reasons in found.unplaced.items()
        },
    }


def print_stats(stats: PlacementStats, console: Console) -> None:
    """The placement in numbers, what is wrong first."""
    console.print(_stats_line(stats), soft_wrap=True)
    console.print()
    pairs(console, _totals(stats))
    console.print()
    columns = ("RESOURCE", "TOTAL", "RESERVED", "PROMISED", "SHARE", "IN USE", "FREE", "STRANDED")
    rows = [_usage_row(usage) for usage in stats.usage]
    table(console, columns, rows, right=frozenset(columns[1:]), drop=("RESERVED", "STRANDED"))
    if stats.room:
        console.print()
        room = [[spec, _room(there)] for spec, there in stats.room.items()]
        table(console, ("SPEC", "ROOM FOR"), room, right=frozenset({"ROOM FOR"}))
    if stats.violations:
        console.print()
        _print_violations(stats.violations, console)


def stats_document(stats: PlacementStats) -> Mapping[str, Any]:
    """The placement in numbers, for programs."""
    return {
        "agents": stats.agents,
        "wanted": stats.wanted,
        "unplaced": list(stats.unplaced),
        "nodes": stats.nodes,
        "nodes_in_use": stats.nodes_in_use,
        "nodes_needed": stats.nodes_needed,
        "efficiency": stats.efficiency,
        "resources": {u.resource: _usage_document(u) for u in stats.usage},
        "room": {
            spec: {"agents": there.agents, "or_more": there.or_more}
            for spec, there in stats.room.items()
        },
        "objectives": dict(stats.objectives),
        "violations": [
            {"agent": v.agent, **rejection_document(v.rejection)} for v in stats.violations
        ],
    }


def _print_reasons(reasons: Iterable[Rejection], console: Console) -> None:
    failed: dict[str, list[Rejection]] = {}
    for r in reasons:
        failed.setdefault(r.constraint, []).append(r)
    for constraint, found in failed.items():
        nearest = min(found, key=lambda r: r.by)
        where = fold(r.node for r in found)
        line = f"  {constraint}: needs {nearest.need}; {where} has at best {nearest.have}"
        console.print(one_line(line), style="dim", markup=False, soft_wrap=True)


def _print_violations(violations: Sequence[Violation], console: Console) -> None:
    rows = [
        [v.agent, v.rejection.node, v.rejection.constraint, v.rejection.need, v.rejection.have]
        for v in violations
    ]
    table(console, ("AGENT", "NODE", "BREAKS", "NEEDS", "HAS"), rows)


def _stats_line(stats: PlacementStats) -> Text:
    problems = []
    if stats.unplaced:
        problems.append(f"{len(stats.unplaced)} of {stats.wanted} agents fit on no node")
    if stats.violations:
        agents = len({v.agent for v in stats.violations})
        problems.append(f"{agents} agent{'s' if agents > 1 else ''} where a rule forbids it")
    if problems:
        return Text("; ".join(problems), style="bold yellow")
    return Text("every agent has its place, and no rule is broken", style="bold green")


def _totals(stats: PlacementStats) -> list[tuple[str, Cell]]:
    rows: list[tuple[str, Cell]] = [
        ("agents", f"{stats.agents} running, {stats.wanted} wanted"),
        ("nodes in use", f"{stats.nodes_in_use} of {stats.nodes}"),
    ]
    if stats.efficiency is not None:
        bound = f"at least {stats.nodes_needed} must be in use for what was promised"
        rows.append(("efficiency", f"{stats.efficiency:.0%}: {bound}"))
    rows += [(f"objective: {name}", f"{value:.3f}") for name, value in stats.objectives.items()]
    return rows


def _usage_row(usage: Usage) -> list[Cell]:
    def amount(value: float | None) -> str:
        return "-" if value is None else _amount(usage.resource, value)

    share = f"{usage.promised / usage.total:.0%}" if usage.total else "-"
    return [
        usage.resource,
        amount(usage.total),
        amount(usage.reserved),
        amount(usage.promised),
        share,
        amount(usage.in_use),
        amount(usage.free),
        amount(usage.stranded),
    ]


def _usage_document(usage: Usage) -> dict[str, Any]:
    return {
        "total": usage.total,
        "reserved": usage.reserved,
        "promised": usage.promised,
        "in_use": usage.in_use,
        "free": usage.free,
        "stranded": usage.stranded,
    }


def _amount(resource: str, value: float) -> str:
    if resource == "memory":
        return format_bytes(round(value))
    return format_cores(value) if resource == "cpu" else f"{value:g}"


def _room(room: Room) -> str:
    if room.agents is None:
        return "any number"
    return f"{room.agents} or more" if room.or_more else str(room.agents)
