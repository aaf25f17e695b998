"""Lines as statsd takes them: `name:1|c`, `|g`, `|ms`, `|h`, `|s`, with a rate and tags.

Tags are DogStatsD's (`|#code:200,slow`). Signs that a metric's name cannot have become `_`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from typing import Final

from phoenixctl.model.measuring import Sample

_LINE: Final = re.compile(
    r"([^:|@#]+):([^|]+)\|(c|g|ms|h|d|s)(?:\|@([0-9.]+))?(?:\|#([^|]*))?(?:\|@([0-9.]+))?"
)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_KINDS: Final = {"c": "increment", "g": "gauge", "ms": "timer", "h": "histogram", "d": "histogram"}


def parse_statsd(text: bytes) -> tuple[tuple[Sample, ...], int]:
    """What the lines say, in their order, and how many of them are none that statsd would take.

    Counters of one name and labels are added up, of a gauge the last value counts, of a set how
    many different ones there are. Milliseconds become seconds. A rate of 0.1 means that a counter
    stands for ten times as much. A signed gauge is its value, for there is no last one to add to.
    """
    growing: dict[Sample, float] = {}
    last: dict[Sample, float] = {}
    sets: dict[Sample, set[str]] = {}
    observed: list[Sample] = []
    refused = 0
    for line in text.decode("utf-8", "replace").split("\n"):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None or not _take(found, growing, last, sets, observed):
            refused += 1
    counted = {key: float(len(members)) for key, members in sets.items()}
    summed = (replace(k, value=v) for part in (growing, last, counted) for k, v in part.items())
    return (*summed, *observed), refused


def _take(
    found: re.Match[str],
    growing: dict[Sample, float],
    last: dict[Sample, float],
    sets: dict[Sample, set[str]],
    observed: list[Sample],
) -> bool:
    """Add a line to what was found; False when its number is none."""
    kind = found[3]
    labels = tuple(sorted(dict(_tags(found[5] or "")).items()))
    key = Sample(_name(found[1]), 0.0, labels, _KINDS.get(kind, "gauge"))
    if kind == "s":
        sets.setdefault(key, set()).add(found[2])
        return True
    numbers = [float(text) for text in found[2].split(":") if _NUMBER.fullmatch(text)]
    rate = float(found[4] or found[6] or 1) if _rate_is_one(found) else 0.0
    if len(numbers) != found[2].count(":") + 1 or not all(map(isfinite, numbers)) or not rate:
        return False
    if kind == "c":
        growing[key] = growing.get(key, 0.0) + sum(numbers) / rate
    elif kind == "g":
        last[key] = numbers[-1]
    else:
        scale = 0.001 if kind == "ms" else 1.0
        observed += (replace(key, value=number * scale) for number in numbers)
    return True


def _rate_is_one(found: re.Match[str]) -> bool:
    text = found[4] or found[6] or "1"
    return bool(_NUMBER.fullmatch(text)) and 0 < float(text) <= 1


def _tags(text: str) -> Iterator[tuple[str, str]]:
    for tag in text.split(","):
        key, _, value = tag.partition(":")
        if key.strip():
            yield re.sub(r"[^A-Za-z0-9_]", "_", _begun(key.strip())), value or "1"


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_:]", "_", _begun(text.strip()))


def _begun(text: str) -> str:
    return f"_{text}" if text[:1].isdigit() else text
