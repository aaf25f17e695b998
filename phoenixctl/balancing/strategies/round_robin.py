"""Each in its turn."""

from __future__ import annotations

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Peer, Pool


def pick(pool: Pool, rng: Chance, now: float) -> Peer:  # noqa: ARG001
    """Everybody is owed the same at each pick, and the one who is owed most gets it: in turns also
    when many are picked at the same instant."""
    peers = pool.candidates()
    for peer in peers:
        peer.turn += 1.0
    best = max(peers, key=lambda peer: peer.turn)
    best.turn -= len(peers)
    return best
