"""Values of any metric for people: in the unit that its name tells."""

from __future__ import annotations

from typing import Final

from phoenixctl.model.reading import UNITS, Unit
from phoenixctl.render.values import UNKNOWN, in_unit

_KNOWN: Final = {metric.value: unit for metric, unit in UNITS.items()}
_ENDS: Final = (
    ("_seconds", Unit.SECONDS),
    ("_bytes", Unit.BYTES),
    ("_ratio", Unit.RATIO),
    ("_utilization", Unit.RATIO),
)


def unit_of(metric: str) -> Unit | None:
    """The unit of its values, as the survey has it or by Prometheus' rules of naming."""
    name = metric.partition("{")[0]
    if name in _KNOWN:
        return _KNOWN[name]
    name = name.removesuffix("_total")
    return next((unit for end, unit in _ENDS if name.endswith(end)), None)


def shown(metric: str, value: float | None, *, per_second: bool = False) -> str:
    """`42%`, `1.5GiB/s`, `0.125`; `?` for unknown."""
    if value is None:
        return UNKNOWN
    unit = unit_of(metric)
    if per_second:
        in_bytes = unit in (Unit.BYTES, Unit.BYTES_PER_SECOND)
        return in_unit(value, Unit.BYTES_PER_SECOND) if in_bytes else f"{_plain(value)}/s"
    if unit is None or (unit is not Unit.COUNT and value < 0):
        return _plain(value)
    return in_unit(value, unit)


def _plain(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1e4 and abs(value) < 1e15 else f"{value:.4g}"
