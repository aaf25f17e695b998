"""Whether weights settle: tried before a formula that may not is let near a proxy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from phoenixctl.balancing.simulate.run import simulate
from phoenixctl.balancing.simulate.setting import Floats, Machine, Setting, Way, under
from phoenixctl.model.balancing import BalancingSettings, Formula, StrategyName

SETTLED: Final = 0.1  # a weight that still changes by more than this in a round has not settled
_ROUNDS: Final = 12
_SECONDS: Final = 5  # of a round here: what matters is how many there are
_REQUESTS: Final = 40_000  # in all, so that it takes less than a second
_MOST_MACHINES: Final = 20  # of more, so many that are spread evenly over them stand for all


@dataclass(frozen=True, slots=True)
class Settling:
    """`largest_change` of a weight in a round, in the second half of the rounds; relative."""

    settles: bool
    largest_change: float
    errors: float

    @property
    def words(self) -> str:
        if self.settles:
            return "its weights settle"
        lost = f", and {self.errors:.0%} of the requests fail" if self.errors >= 0.005 else ""
        return f"its weights change by up to {self.largest_change:.0%} in a round{lost}"


def settling(
    formula: Formula,
    speeds: Sequence[float],
    load: float,
    settings: BalancingSettings,
    *,
    seed: int,
) -> Settling:
    """Play rounds of weights by this formula over members of these speeds, 1 being ordinary.

    `load` is the share of their capacity that is used.

    """
    machines = tuple(Machine(f"m{n}", speed) for n, speed in enumerate(_few(speeds)))
    seconds = _ROUNDS * _SECONDS
    setting = Setting(machines, round_seconds=_SECONDS, poll_seconds=_SECONDS, warm_seconds=0.0)
    # The same use with fewer and longer requests.
    longer = setting.capacity * load * seconds / _REQUESTS
    setting = replace(setting, service_seconds=setting.service_seconds * max(1.0, longer))
    setting = replace(setting, timeout_seconds=200 * setting.service_seconds)
    way = Way(formula.value, StrategyName.WEIGHTED_ROUND_ROBIN, formula)
    found = simulate(
        under(setting, load, seconds + 1), way, replace(settings, formula=formula), seed=seed
    )
    change = _largest_change(found.weights[found.weights.shape[0] // 2 :])
    return Settling(change <= SETTLED, change, found.errors)


def _few(speeds: Sequence[float]) -> list[float]:
    if len(speeds) <= _MOST_MACHINES:
        return list(speeds)
    places = np.linspace(0, len(speeds) - 1, _MOST_MACHINES).astype(int)
    return [sorted(speeds)[place] for place in places]


def _largest_change(weights: Floats) -> float:
    if len(weights) < 2:
        return 0.0
    return float(np.max(np.abs(weights[1:] / weights[:-1] - 1)))
