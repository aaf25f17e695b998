"""How long a search may go on, and what it had found at any time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from phoenixctl.placement.solver.problem import Ints


def no_time() -> float:
    """A clock that stands still, for budgets that count iterations alone."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """An end by iterations, by seconds, or by whichever comes first.

    `elapsed` says how many seconds the search has had; the caller owns the clock. A budget of
    iterations alone gives the same result for the same seed on every machine.
    """

    iterations: int | None = None
    seconds: float = math.inf
    elapsed: Callable[[], float] = no_time

    def spent(self, iteration: int) -> float:
        """How much of it is used up; from 1 on it is over."""
        by_time = self.elapsed() / self.seconds if self.seconds else 1.0
        if self.iterations is None:
            return by_time
        return max(by_time, iteration / self.iterations if self.iterations else 1.0)

    def foreseen(self, iteration: int) -> float:
        """How many iterations it is enough for, at the pace so far; inf while that is unknown."""
        spent = self.spent(iteration)
        if iteration and spent:
            return iteration / spent
        return math.inf if self.iterations is None else float(self.iterations)


@dataclass(frozen=True, slots=True)
class Point:
    """The best cost after so many iterations and seconds."""

    iteration: int
    seconds: float
    cost: float


@dataclass(slots=True)
class Curve:
    """The best placement so far, and how its cost came down."""

    at: Ints
    cost: float
    points: list[Point] = field(default_factory=list)

    def offer(self, at: Ints, cost: float, iteration: int, seconds: float) -> None:
        if cost < self.cost or not self.points:
            self.at, self.cost = at, cost
            self.points.append(Point(iteration, seconds, cost))
