"""A round of weights that is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PastRound:
    """`weights` by `node/agent`, 1 being the mean; `largest_change` since the round before,
    relative, of `moved`."""

    backend: str
    at_seconds: float
    weights: Mapping[str, float]
    largest_change: float | None = None
    moved: str | None = None
