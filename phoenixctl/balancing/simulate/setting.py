"""What is simulated: machines, their load, what happens to them, and who spreads the requests."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phoenixctl.model.balancing import Formula, StrategyName

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Machine:
    """`workers` serve a request each at a time, `speed` times as fast as an ordinary one."""

    name: str
    speed: float = 1.0
    workers: int = 4


@dataclass(frozen=True, slots=True)
class Happening:
    """From `at_seconds` on a machine has another speed; 0: it fails whatever it gets, at once."""

    at_seconds: float
    machine: str
    speed: float


@dataclass(frozen=True, eq=False)
class Setting:
    """`rates` is how many requests come in each second on average, shape (seconds,).

    A request takes `service_seconds` on an ordinary machine on average, lognormal with `sigma`; who
    has no answer after `timeout_seconds` has an error, and its work is done all the same. Senders
    look at machines every `poll_seconds`, and weights are made every `round_seconds`. The first
    `warm_seconds` are not judged.
    """

    machines: tuple[Machine, ...]
    rates: Floats = field(default_factory=lambda: np.zeros(0))
    service_seconds: float = 0.010
    sigma: float = 0.8
    timeout_seconds: float = 2.0
    balancers: int = 3
    poll_seconds: float = 5.0
    round_seconds: float = 30.0
    warm_seconds: float = 30.0
    happenings: tuple[Happening, ...] = ()

    @property
    def capacity(self) -> float:
        """Requests per second of all machines together."""
        return sum(m.workers * m.speed for m in self.machines) / self.service_seconds


class Naive(StrEnum):
    """Ways that are written about and that fail: the best of what was polled gets everything."""

    POLLED_CONNECTIONS = "polled-connections"
    POLLED_RESPONSE = "polled-response-time"
    POLLED_SCORE = "polled-resource-score"


@dataclass(frozen=True, slots=True)
class Way:
    """How requests are spread: a strategy, and how weights are made; None: they are all 1."""

    name: str
    strategy: StrategyName | Naive
    formula: Formula | None = None


_S, _F = StrategyName, Formula
WAYS: Final = (
    Way("least-connections + weights", _S.LEAST_CONNECTIONS, _F.CAPACITY),
    Way("least-connections", _S.LEAST_CONNECTIONS),
    Way("peak-ewma", _S.PEAK_EWMA),
    Way("two-choices + weights", _S.TWO_CHOICES, _F.CAPACITY),
    Way("two-choices", _S.TWO_CHOICES),
    Way("weighted-round-robin", _S.WEIGHTED_ROUND_ROBIN, _F.CAPACITY),
    Way("predictive", _S.PREDICTIVE),
    Way("response-time", _S.RESPONSE_TIME),
    Way("resource-aware", _S.RESOURCE_AWARE),
    Way("round-robin", _S.ROUND_ROBIN),
)  # all that can be had
FAILING: Final = (
    Way("simple weights", _S.WEIGHTED_ROUND_ROBIN, _F.SIMPLE),
    Way("fastest of what was polled", Naive.POLLED_RESPONSE),
    Way("best score of what was polled", Naive.POLLED_SCORE),
    Way("least connections as polled", Naive.POLLED_CONNECTIONS),
)  # to be seen failing


def under(setting: Setting, load: float, seconds: int) -> Setting:
    """The setting with the same rate all the time, as a share of what its machines can do."""
    return replace(setting, rates=np.full(seconds, load * setting.capacity))
