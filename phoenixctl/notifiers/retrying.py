"""A receiver that did not take a message may do so a moment later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from phoenixctl.metrics.alert_words import Message
from phoenixctl.model.errors import NotDelivered
from phoenixctl.ports.notifier import Notifier

FIRST_PAUSE_SECONDS: Final = 0.5  # doubled with each attempt
LONGEST_PAUSE_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Retrying:
    """Implements ports.notifier.Notifier by another one, with a bound of attempts.

    What is still not delivered is sent again by the next evaluation.
    """

    notifier: Notifier
    attempts: int
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def send(self, message: Message) -> None:
        for attempt in range(self.attempts):
            try:
                await self.notifier.send(message)
            except NotDelivered as error:
                if not error.passing or attempt + 1 == self.attempts:
                    raise
                await self.pause(min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS))
            else:
                return
