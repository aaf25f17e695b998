"""What strategies would do, beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.balancing.simulate.run import Outcome
from phoenixctl.model.units import format_duration, format_ratio
from phoenixctl.render.tables import Cell, table

_COLUMNS: Final = ("WAY", "P50", "P95", "P99", "ERRORS", "BUSIEST", "P99, ON A LOG SCALE")
_NUMBERS: Final = frozenset(_COLUMNS[1:6])
_WIDTH: Final = 30


def print_simulated(found: Sequence[Outcome], best: Outcome, console: Console) -> None:
    """A line for each way, the best one marked, with a bar for its 99th percentile."""
    from math import log

    least = min(one.p99 for one in found)
    most = max(one.p99 for one in found)

    def bar(one: Outcome) -> Text:
        span = log(most / least) or 1.0
        length = 1 + round((_WIDTH - 1) * log(one.p99 / least) / span)
        return Text("█" * length, style="green" if one is best else "red" if one.errors else "")

    rows: list[list[Cell]] = [
        [
            Text(one.way.name, style="bold green" if one is best else ""),
            format_duration(one.p50),
            format_duration(one.p95),
            format_duration(one.p99),
            format_ratio(one.errors) if one.errors else "0%",
            f"+{format_ratio(max(0.0, one.imbalance))}",
            bar(one),
        ]
        for one in found
    ]
    table(console, _COLUMNS, rows, right=_NUMBERS, drop=("BUSIEST", "P50"))
    console.print(f"\n{words(found, best)}", highlight=False, markup=False, soft_wrap=True)


def words(found: Sequence[Outcome], best: Outcome) -> str:
    """`least-connections + weights has the lowest p99, 64ms; requests fail with round-robin`."""
    failing = [one.way.name for one in found if one.errors > 0.001]
    what = (
        "fails least and has the lowest p99 of those"
        if best.errors > 0.001
        else "has the lowest p99"
    )
    text = f"{best.way.name} {what}, {format_duration(best.p99)}"
    if failing:
        text += f"; requests fail with {', '.join(failing)}"
    return text


def simulated_document(
    found: Sequence[Outcome], best: Outcome, setting: Mapping[str, Any]
) -> Mapping[str, Any]:
    return {
        "setting": setting,
        "best": best.way.name,
        "why": words(found, best),
        "ways": [
            {
                "way": one.way.name,
                "strategy": one.way.strategy.value,
                "formula": one.way.formula and one.way.formula.value,
                "requests": one.requests,
                "p50_seconds": one.p50,
                "p95_seconds": one.p95,
                "p99_seconds": one.p99,
                "error_ratio": one.errors,
                "imbalance": one.imbalance,
            }
            for one in found
        ],
    }
