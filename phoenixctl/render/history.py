"""Operations that were carried out: a list, and one of them whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.ports.records import Entry, PastOperation
from phoenixctl.render.neutral import one_line
from phoenixctl.render.plans import plan_document, step_line
from phoenixctl.render.tables import Cell, styled, table

_STYLE: Final = {"ok": "green", "some failed": "yellow", "failed": "red", "interrupted": "red"}


def print_history(entries: Sequence[Entry], console: Console) -> None:
    if not entries:
        console.print(Text("nothing was changed yet", style="dim"))
        return
    rows: list[list[Cell]] = [
        [
            entry.id,
            entry.at,
            entry.by,
            styled(entry.outcome, _STYLE.get(entry.outcome, "")),
            _steps(entry),
            entry.title,
        ]
        for entry in entries
    ]
    columns = ["ID", "WHEN", "BY", "OUTCOME", "STEPS", "WHAT"]
    table(console, columns, rows, right=frozenset({"ID"}), drop=("STEPS", "BY"))


def _steps(entry: Entry) -> str:
    failed = f", {entry.failures} failed" if entry.failures else ""
    return f"{entry.steps}{failed}"


def print_past(past: PastOperation, console: Console) -> None:
    entry = past.entry
    console.print(
        styled(f"{entry.id}: {entry.title}, {entry.outcome}; {entry.by} at {entry.at}", "bold"),
        soft_wrap=True,
    )
    ends = {end.key: end for end in past.ends}
    for step in past.plan.steps:
        end = ends.get(step.key)
        outcome = end.outcome if end else "not begun"
        style = {"ok": "green", "failed": "red", "unknown": "red"}.get(outcome, "dim")
        line = Text.assemble((f"{outcome:9} ", style), step_line(step))
        console.print(line, soft_wrap=True)
        if end is not None and end.detail:
            console.print(Text(f"{'':9} | {one_line(end.detail)}", style="dim"), soft_wrap=True)


def history_document(fleet: str, entries: Sequence[Entry]) -> Mapping[str, Any]:
    return {"fleet": fleet, "operations": [_entry(entry) for entry in entries]}


def past_document(past: PastOperation) -> Mapping[str, Any]:
    return {
        "operation": _entry(past.entry),
        "plan": plan_document(past.plan),
        "ends": [
            {"key": end.key, "outcome": end.outcome, "detail": end.detail} for end in past.ends
        ],
    }


def _entry(entry: Entry) -> Mapping[str, Any]:
    return {
        "id": entry.id,
        "title": entry.title,
        "by": entry.by,
        "at": entry.at,
        "begun": entry.begun or None,
        "outcome": entry.outcome,
        "steps": entry.steps,
        "failures": entry.failures,
    }
