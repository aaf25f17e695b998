"""What `doctor` found: problems and warnings with what to do, the rest counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.model.checks import Check, Grade
from phoenixctl.render.neutral import one_line
from phoenixctl.render.tables import Cell, styled, table

_STYLE: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.PROBLEM: "red"}


def print_checks(checks: Sequence[Check], console: Console, *, everything: bool) -> None:
    shown = [c for c in checks if everything or c.grade is not Grade.OK]
    rows: list[list[Cell]] = [
        [styled(c.grade, _STYLE[c.grade]), c.about, c.name, _found(c)] for c in shown
    ]
    if rows:
        table(console, ("GRADE", "ABOUT", "CHECK", "FOUND"), rows)
    counts = {g: sum(c.grade is g for c in checks) for g in Grade}
    more = "" if everything else " (see them with -v)"
    console.print(
        f"fine: {counts[Grade.OK]}{more}, warnings: {counts[Grade.WARNING]},"
        f" problems: {counts[Grade.PROBLEM]}",
        style="bold",
    )


def _found(check: Check) -> Text:
    text = Text(one_line(check.found))
    if check.hint:
        text.append(f"\ntry: {one_line(check.hint)}", style="dim")
    return text


def checks_document(checks: Sequence[Check]) -> Mapping[str, Any]:
    return {
        "checks": [
            {"about": c.about, "name": c.name, "grade": c.grade, "found": c.found, "hint": c.hint}
            for c in checks
        ]
    }
