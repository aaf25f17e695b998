"""How one peer's response time grows with its load, learned from what was measured of it.

Of a queue with one rate of service the response time is s / (1 - load / capacity) (M/M/1); so its
inverse falls in a straight line with the load, and two numbers, learned by least squares, say all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

KEPT: Final = 0.97  # of the weight of what was learned, at each new measurement
LEAST_SPREAD: Final = 1e-6  # of loads, relative: of a load that never changed there is no slope
SLOWEST_SECONDS: Final = 30.0  # at and beyond its capacity a peer is told to answer so late


@dataclass(frozen=True, slots=True)
class Curve:
    """Weighted sums over what was learned: loads x in requests per second, and y = 1 / seconds."""

    weight: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def learned(self, load: float, seconds: float) -> Curve:
        """With one more measurement; nothing is learned of a peer without load or answers."""
        if load <= 0 or seconds <= 0:
            return self
        inverse = 1 / seconds
        return replace(
            self,
            weight=KEPT * self.weight + 1,
            x=KEPT * self.x + load,
            y=KEPT * self.y + inverse,
            xx=KEPT * self.xx + load * load,
            xy=KEPT * self.xy + load * inverse,
        )

    def response_seconds(self, load: float) -> float:
        """At this load, from what was learned; the slowest when nothing was."""
        if not self.weight:
            return SLOWEST_SECONDS
        mean_x, mean_y = self.x / self.weight, self.y / self.weight
        spread = self.xx / self.weight - mean_x * mean_x
        slope = 0.0
        if spread > LEAST_SPREAD * mean_x * mean_x:
            # More load never makes it faster, whatever noise says.
            slope = min(0.0, (self.xy / self.weight - mean_x * mean_y) / spread)
        inverse = mean_y + slope * (load - mean_x)
        return SLOWEST_SECONDS if inverse <= 1 / SLOWEST_SECONDS else 1 / inverse


NOTHING_LEARNED: Final = Curve()
