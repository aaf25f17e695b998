"""Readings of a node or an agent, one a row, with their age and what is to be known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from rich.console import Console

from phoenixctl.model.reading import AgentMetric, Metric, Reading
from phoenixctl.model.units import format_duration
from phoenixctl.render.tables import table
from phoenixctl.render.values import shown

Kind = TypeVar("Kind", Metric, AgentMetric)


def print_readings(
    console: Console, kinds: Iterable[Kind], readings: Mapping[Kind, Reading], *, now: float
) -> None:
    """A table of those that were read, in the order of `kinds`."""
    rows = [
        [kind.value, shown(kind, found), format_duration(max(0.0, now - found.at)), found.why]
        for kind in kinds
        if (found := readings.get(kind)) is not None
    ]
    table(console, ("METRIC", "VALUE", "AGE", "NOTE"), rows, right=frozenset(("VALUE", "AGE")))
