"""Readings for people: in their unit, and `?` where nothing is known."""

from __future__ import annotations

from typing import Any

from phoenixctl.model.reading import UNITS, AgentMetric, Metric, Reading, Unit
from phoenixctl.model.units import format_bytes, format_cores, format_duration, format_ratio

UNKNOWN = "?"


def in_unit(value: float | None, unit: Unit) -> str:
    """`42%`, `1.5GiB`, `12ms`; `?` for unknown."""
    if value is None:
        return UNKNOWN
    match unit:
        case Unit.RATIO:
            return format_ratio(value)
        case Unit.SECONDS:
            return format_duration(value)
        case Unit.BYTES:
            return format_bytes(value)
        case Unit.BYTES_PER_SECOND:
            return f"{format_bytes(value)}/s"
        case Unit.CORES:
            return format_cores(value)
        case Unit.PER_SECOND:
            return f"{value:.0f}/s" if value >= 10 else f"{value:.1f}/s"
        case Unit.COUNT:
            return f"{value:.0f}" if value == int(value) or value >= 10 else f"{value:.2f}"


def shown(metric: Metric | AgentMetric, reading: Reading | None) -> str:
    return in_unit(reading.value if reading else None, UNITS[metric])


def reading_document(
    metric: Metric | AgentMetric, reading: Reading, *, now: float
) -> dict[str, Any]:
    """A reading for programs: value in its unit, age, and why it is unknown."""
    document: dict[str, Any] = {
        "value": reading.value,
        "unit": UNITS[metric].value,
        "age_seconds": round(max(0.0, now - reading.at), 3),
    }
    if reading.value is None:
        document["unknown"] = reading.why or "not measured"
    elif reading.why:
        document["note"] = reading.why
    return document
