"""The anytime curve: the best that was found with so many moves, and what each one gains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from phoenixctl.placement.rebalance.hops import Hop, Stage
from phoenixctl.placement.solver.problem import Ints


@dataclass(frozen=True, slots=True)
class Curve:
    """Stages, each made after those before it; `start` is the goal's cost before any.

    Costs are those of the aim's problem, without the price of moves. `blocked` are pairs of agents
    that would change places if any node had room for one of them meanwhile.
    """

    start: float
    stages: tuple[Stage, ...]
    blocked: tuple[tuple[int, int], ...] = ()

    @property
    def hops(self) -> tuple[Hop, ...]:
        return tuple(hop for stage in self.stages for hop in stage.hops)

    @property
    def cost(self) -> float:
        """After all stages."""
        return self.stages[-1].cost if self.stages else self.start

    def net(self, price: float) -> float:
        """The cost after all stages with the price of each hop."""
        return self.cost + price * len(self.hops)


def follow(at: Ints, hops: Iterable[Hop]) -> Ints:
    """Where agents are after these hops."""
    after = at.copy()
    for hop in hops:
        after[hop.agent] = hop.target
    return after
