"""How measured values become shares: towards them, slowly, and never to nothing."""

from __future__ import annotations

from collections.abc import Mapping

from phoenixctl.balancing.pool import Pool


def damped(pool: Pool, wanted: Mapping[str, float]) -> None:
    """Move each share a step towards what is wanted, in proportion to the mean of all.

    Who is unknown moves towards 1, the mean. Shares stay between `least` and `most`.
    """
    settings = pool.settings
    mean = sum(wanted.values()) / len(wanted) if wanted else 0.0
    for peer in pool.peers.values():
        value = wanted.get(peer.name)
        target = value / mean if value is not None and mean > 0 else 1.0
        target = min(max(target, settings.least), settings.most)
        peer.share += settings.step * (target - peer.share)
