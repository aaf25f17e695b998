"""How often a message is tried, and how long between two tries."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from phoenixctl.metrics.alert_words import Message
from phoenixctl.model.errors import NotDelivered
from phoenixctl.notifiers.retrying import Retrying
from tests.unit.notifiers.telling import alert, message


@dataclass
class Flaky:
    """Fails so often, then takes everything."""

    failures: int
    passing: bool = True
    tried: int = 0
    pauses: list[float] = field(default_factory=list)

    async def send(self, _message: Message) -> None:
        self.tried += 1
        if self.tried <= self.failures:
            raise NotDelivered("busy", passing=self.passing)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def test_it_is_tried_again_with_growing_pauses_until_it_is_taken() -> None:
    flaky = Flaky(6)
    await Retrying(flaky, 9, flaky.pause).send(message(alert("a")))
    assert flaky.tried == 7
    assert flaky.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]


async def test_there_is_a_bound() -> None:
    flaky = Flaky(99)
    with pytest.raises(NotDelivered):
        await Retrying(flaky, 3, flaky.pause).send(message(alert("a")))
    assert (flaky.tried, flaky.pauses) == (3, [0.5, 1.0])


async def test_what_will_not_pass_is_not_tried_again() -> None:
    flaky = Flaky(99, passing=False)
    with pytest.raises(NotDelivered):
        await Retrying(flaky, 3, flaky.pause).send(message(alert("a")))
    assert flaky.tried == 1
