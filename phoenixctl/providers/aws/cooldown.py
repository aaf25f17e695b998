"""Offers that had no capacity are left alone for a while, by all requests of a run."""

from __future__ import annotations

from phoenixctl.ports.clock import Clock
from phoenixctl.providers.aws.tokens import Offer


class Cooldowns:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[Offer, float] = {}

    def begin(self, offer: Offer, seconds: float) -> None:
        self._until[offer] = self._clock.monotonic() + seconds

    def left(self, offer: Offer) -> float:
        """Seconds until it may be asked for again; 0 when it may be now."""
        return max(0.0, self._until.get(offer, 0.0) - self._clock.monotonic())
