"""What workflows need from those who carry alerts to people and other systems."""

from __future__ import annotations

from typing import Protocol

from phoenixctl.metrics.alert_words import Message


class Notifier(Protocol):
    """One way to one receiver."""

    async def send(self, message: Message) -> None:
        """Returns when the receiver has taken it. NotDelivered or ConfigError when it has not; no
        error holds any part of a secret, nor the address where that is one.
        """
        ...
