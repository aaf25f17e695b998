"""Each in its turn, the heavier oftener and never many times in a row.

The smooth form (nginx 1.3.1): everybody is owed its weight at each pick, the one who is owed most
gets it and owes all of it back.
"""

from __future__ import annotations

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Peer, Pool


def pick(pool: Pool, rng: Chance, now: float) -> Peer:  # noqa: ARG001
    peers = pool.candidates()
    total = 0.0
    best = peers[0]
    for peer in peers:
        share = pool.share_of(peer, now)
        peer.turn += share
        total += share
        if peer.turn > best.turn:
            best = peer
    best.turn -= total
    return best
