"""All strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Peer, Pool
from phoenixctl.balancing.strategies import (
    least_connections,
    peak_ewma,
    predictive,
    resource_aware,
    response_time,
    round_robin,
    two_choices,
    weighted_round_robin,
)
from phoenixctl.model.balancing import StrategyName

Pick: TypeAlias = Callable[[Pool, Chance, float], Peer]

PICKS: Final[Mapping[StrategyName, Pick]] = {
    StrategyName.ROUND_ROBIN: round_robin.pick,
    StrategyName.WEIGHTED_ROUND_ROBIN: weighted_round_robin.pick,
    StrategyName.LEAST_CONNECTIONS: least_connections.pick,
    StrategyName.RESPONSE_TIME: response_time.pick,
    StrategyName.RESOURCE_AWARE: resource_aware.pick,
    StrategyName.PREDICTIVE: predictive.pick,
    StrategyName.TWO_CHOICES: two_choices.pick,
    StrategyName.PEAK_EWMA: peak_ewma.pick,
}


def started(pool: Pool, strategy: StrategyName, rng: Chance, now: float) -> Peer:
    """Pick a peer for a request that begins now; NoHealthyNode when nobody could take it."""
    peer = PICKS[strategy](pool, rng, now)
    peer.connections += 1
    peer.last_use = now
    return peer


def finished(peer: Peer, seconds: float | None, now: float) -> None:
    """A request is over, after so many seconds; None: nobody knows how long it took.

    One that failed took as long as the sender would have waited: a peer that fails at once would
    look like the fastest of all.
    """
    peer.connections = max(0, peer.connections - 1)
    if seconds is not None:
        peak_ewma.answered(peer, seconds, now)


def measured(pool: Pool, strategy: StrategyName, *, growth: float = 1.0) -> None:
    """There are new measurements; `growth` is the load to come as a multiple of the present one."""
    match strategy:
        case StrategyName.RESPONSE_TIME:
            response_time.measured(pool)
        case StrategyName.RESOURCE_AWARE:
            resource_aware.measured(pool)
        case StrategyName.PREDICTIVE:
            predictive.measured(pool, growth=growth)
        case _:
            pass
