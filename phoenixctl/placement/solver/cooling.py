"""How warm a search is while its budget is spent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

FEW: Final = 0.5  # moves of each agent in a budget with which it stays cold
MANY: Final = 5.0  # and with which it gets as hot as it can


@dataclass(frozen=True, slots=True)
class Cooling:
    """Temperatures in the unit of costs, from hottest over coldest to frozen.

    They fall by the same factor in the same time, and faster in the last part, `quench`.
    """

    hottest: float
    coldest: float
    frozen: float
    quench: float  # part of the budget

    def temperature(self, spent: float, heat: float) -> float:
        """At a part of the budget, 0 to 1, with a start between frozen, 0, and hottest, 1."""
        start = self.frozen * math.pow(self.hottest / self.frozen, heat)
        coldest = min(self.coldest, start)
        until = 1 - self.quench
        if spent < until:
            return start * math.pow(coldest / start, spent / until)
        return coldest * math.pow(self.frozen / coldest, (spent - until) / self.quench)


def heat(moves: float) -> float:
    """How hot a start is worth it, 0 to 1, with so many moves of each agent to come.

    What many moves made worse at first, few of them cannot mend.
    """
    if moves <= FEW:
        return 0.0
    return 1.0 if moves >= MANY else math.log(moves / FEW) / math.log(MANY / FEW)
