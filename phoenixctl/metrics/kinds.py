"""What a metric's values mean, and how a metric is written.

A metric is a name with labels in Prometheus' notation, the labels in the order of their names:
`http_requests_total{code="200",path="/a"}`; without labels it is the name alone. Two ways to write
the same metric would be two metrics, so everything that keeps or compares one goes through `build`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What values of a metric are, and so what may be asked about them.

    A counter's are totals since some start, which only grow or begin anew; a gauge's are how much
    there is. Of the other three, each tick has a digest of what was observed since the last one: a
    timer's are seconds, a summary's have no unit in common with those of other subjects.
    """

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    TIMER = "timer"
    SUMMARY = "summary"

    @property
    def observed(self) -> bool:
        """Whether a tick has many values of one subject."""
        return self not in (Kind.COUNTER, Kind.GAUGE)


_NAME: Final = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*", re.ASCII)
_LABEL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LABEL: Final = re.compile(
    r"[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*\"((?:[^\"\\\n]|\\[\\\"n])*+)\"[ \t]*(,|$)",
    re.ASCII,
)
_ESCAPES: Final = {"\\": r"\\", '"': r"\"", "\n": r"\n"}
_MEANT: Final = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def build(name: str, labels: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> str:
    """The metric with this name and these labels; one with an empty value is as if it were absent.

    Raises ValueError for a name that Prometheus does not allow and for a label that comes twice.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a metric: letters, digits, _ and :")
    pairs = list(labels.items() if isinstance(labels, Mapping) else labels)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a label of {name} comes twice")
    for label in found:
        if not _LABEL_NAME.fullmatch(label):
            raise ValueError(f"{label!r} is no name of a label: letters, digits and _")
    inside = ",".join(
        f'{label}="{_escaped(found[label])}"' for label in sorted(found) if found[label]
    )
    return f"{name}{{{inside}}}" if inside else name


def parse(metric: str) -> tuple[str, dict[str, str]]:
    """Name and labels of a metric as somebody may have typed it; `build` of them is the metric.

    Raises ValueError when it is not in Prometheus' notation.
    """
    name, brace, rest = metric.strip().partition("{")
    if not brace:
        build(name)
        return name, {}
    if not rest.endswith("}"):
        raise ValueError(f"{metric!r} has no }} at its end")
    text, at = rest[:-1], 0
    pairs: list[tuple[str, str]] = []
    while text[at:].strip():
        found = _LABEL.match(text, at)
        if found is None:
            raise ValueError(f'{metric!r}: labels are written {{name="value",...}}')
        pairs.append((found[1], re.sub(r"\\.", lambda escape: _MEANT[escape[0]], found[2])))
        at = found.end()
    build(name.strip(), pairs)
    return name.strip(), dict(sorted(pair for pair in pairs if pair[1]))


def canonical(metric: str) -> str:
    """The one way to write this metric. ValueError as `parse` raises it."""
    return build(*parse(metric))


def _escaped(value: str) -> str:
    return "".join(_ESCAPES.get(sign, sign) for sign in value)
