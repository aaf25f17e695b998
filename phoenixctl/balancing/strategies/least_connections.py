"""Who has the least open for its weight, as the sender itself has counted.

Counts that are polled from the peers herd: until the next poll everybody sends to the same one.
"""

from __future__ import annotations

from phoenixctl.balancing.chance import Chance
from phoenixctl.balancing.pool import Peer, Pool


def pick(pool: Pool, rng: Chance, now: float) -> Peer:
    """Ties go to who has waited longest, and among those never picked to chance."""
    return min(
        pool.candidates(),
        key=lambda p: (
            (p.connections + 1) / pool.share_of(p, now),
            -1.0 if p.last_use is None else p.last_use,
            rng.random(),
        ),
    )
