"""Each in its turn."""

from __future__ import annotations

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Peer, Pool


def pick(pool: Pool, rng: Chance, now: float) -> Peer:  # noqa: ARG001
    """Whoever has waited longest; who was never picked comes first."""
    return min(pool.candidates(), key=lambda p: -1.0 if p.last_use is None else p.last_use)
