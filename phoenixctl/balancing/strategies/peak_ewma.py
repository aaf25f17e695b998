"""Of two drawn at random the one that would answer first: latency times what is open.

The latency is the sender's own: a rise counts at once, a fall slowly (Finagle's peak EWMA), so that
a peer which stalls is left within a request or two.
"""

from __future__ import annotations

from math import exp
from typing import Final

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Peer, Pool
from phoenixctl.balancing.strategies.two_choices import two_of

DECAY_SECONDS: Final = 10.0
_UNTRIED: Final = 1e6  # of a peer that has requests and never answered: worse than all others


def pick(pool: Pool, rng: Chance, now: float) -> Peer:
    one, other = two_of(pool.candidates(), rng)
    return min(one, other, key=lambda peer: _cost(pool, peer, now))


def answered(peer: Peer, seconds: float, now: float) -> None:
    """An answer took so long."""
    latency = peer.latency
    if latency is None or seconds > latency:
        peer.latency = seconds
    else:
        kept = exp(-max(0.0, now - peer.latency_at) / DECAY_SECONDS)
        peer.latency = latency * kept + seconds * (1 - kept)
    peer.latency_at = now


def _cost(pool: Pool, peer: Peer, now: float) -> float:
    if peer.latency is None:
        return _UNTRIED if peer.connections else 0.0
    # Who was not asked for long is forgotten what it was like.
    latency = peer.latency * exp(-max(0.0, now - peer.latency_at) / (6 * DECAY_SECONDS))
    return latency * (peer.connections + 1) / pool.share_of(peer, now)
