"""A measured value with the limit it has to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    what: str
    value: float
    limit: float

    @property
    def held(self) -> bool:
        return self.value <= self.limit


def report(gates: Iterable[Gate], say: Callable[[str], None]) -> None:
    """A line for each gate."""
    for gate in gates:
        say(f"{'ok  ' if gate.held else 'OVER'} {gate.what}: {gate.value:.2f} (limit {gate.limit})")
