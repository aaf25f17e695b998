"""Of two drawn at random the one with less open for its weight.

Nearly as even as looking at all (Mitzenmacher 2001), and no two senders agree on the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Peer, Pool


def pick(pool: Pool, rng: Chance, now: float) -> Peer:
    one, other = two_of(pool.candidates(), rng)
    return min(one, other, key=lambda p: (p.connections + 1) / pool.share_of(p, now))


def two_of(peers: Sequence[Peer], rng: Chance) -> tuple[Peer, Peer]:
    """Two different ones, each as likely as the others; twice the same when there is but one."""
    count = len(peers)
    if count == 1:
        return peers[0], peers[0]
    first = int(rng.random() * count)
    second = int(rng.random() * (count - 1))
    return peers[first], peers[second + (second >= first)]


def by_share(pool: Pool, rng: Chance, now: float, share: Callable[[Peer], float]) -> Peer:
    """Two drawn by `share`, and of them the one with less open for it; with nothing open the first.

    How what was measured long ago becomes a pick: who looks best gets more, and never all.
    """
    peers = pool.candidates()
    shares = {peer.name: pool.share_of(peer, now) * share(peer) for peer in peers}
    one, other = (_drawn(peers, shares, rng) for _ in range(2))
    return min(one, other, key=lambda p: p.connections / shares[p.name])


def _drawn(peers: Sequence[Peer], shares: Mapping[str, float], rng: Chance) -> Peer:
    left = rng.random() * sum(shares.values())
    for peer in peers:
        left -= shares[peer.name]
        if left < 0:
            return peer
    return peers[-1]
