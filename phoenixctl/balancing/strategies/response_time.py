"""Who answers faster gets more; a share that moves slowly, as each answer is about the past."""

from __future__ import annotations

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Peer, Pool
from phoenixctl.balancing.shares import damped
from phoenixctl.balancing.strategies.two_choices import by_share


def pick(pool: Pool, rng: Chance, now: float) -> Peer:
    return by_share(pool, rng, now, lambda peer: peer.share)


def measured(pool: Pool) -> None:
    """Move the shares towards what the latest measurements say; once after each of them."""
    wanted = {}
    for peer in pool.peers.values():
        seen = peer.measured
        if seen is not None and seen.response_seconds is not None and seen.response_seconds > 0:
            wanted[peer.name] = 1 / seen.response_seconds
    damped(pool, wanted)
