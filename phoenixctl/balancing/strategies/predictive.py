"""Who would answer fastest at the load to come gets more, by each peer's own curve."""

from __future__ import annotations

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Peer, Pool
from phoenixctl.balancing.shares import damped
from phoenixctl.balancing.strategies.two_choices import by_share


def pick(pool: Pool, rng: Chance, now: float) -> Peer:
    return by_share(pool, rng, now, lambda peer: peer.share)


def measured(pool: Pool, *, growth: float = 1.0) -> None:
    """Learn from the latest measurements, and move the shares towards what the curves say of a load
    that is `growth` times today's (from a forecast; 1: the same)."""
    wanted = {}
    for peer in pool.peers.values():
        seen = peer.measured
        if seen is None or seen.response_seconds is None or seen.requests_per_second is None:
            continue
        peer.curve = peer.curve.learned(seen.requests_per_second, seen.response_seconds)
        wanted[peer.name] = 1 / peer.curve.response_seconds(seen.requests_per_second * growth)
    damped(pool, wanted)
