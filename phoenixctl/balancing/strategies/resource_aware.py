"""Who has more to spare gets more: the specification's score of CPU, memory, network and response.

Its lowest score is not simply picked: until the next measurement everybody would send there.
"""

from __future__ import annotations

from typing import Final

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Measured, Peer, Pool
from phoenixctl.balancing.shares import damped
from phoenixctl.balancing.strategies.two_choices import by_share

SLOWEST_SECONDS: Final = 1.0  # a response time of this or more counts as the worst


def pick(pool: Pool, rng: Chance, now: float) -> Peer:
    return by_share(pool, rng, now, lambda peer: peer.share)


def score(seen: Measured) -> float | None:
    """0.3 cpu + 0.3 memory + 0.2 network + 0.2 min(response / 1 s, 1), lower is better.

    What is unknown counts for nothing, and the rest for so much more; None when all is unknown.
    """
    response = None if seen.response_seconds is None else seen.response_seconds / SLOWEST_SECONDS
    parts = ((0.3, seen.cpu), (0.3, seen.memory), (0.2, seen.network), (0.2, response))
    known = [(factor, min(value, 1.0)) for factor, value in parts if value is not None]
    if not known:
        return None
    return sum(factor * value for factor, value in known) / sum(factor for factor, _ in known)


def measured(pool: Pool) -> None:
    """Move the shares towards what the latest measurements say; once after each of them."""
    wanted = {}
    for peer in pool.peers.values():
        found = None if peer.measured is None else score(peer.measured)
        if found is not None:
            wanted[peer.name] = 1 - min(found, 0.99)
    damped(pool, wanted)
