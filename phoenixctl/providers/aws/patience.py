"""How long EC2 is waited for, and how often it is asked meanwhile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from phoenixctl.ports.clock import Clock

_JITTER: Final = random.SystemRandom()
_GROWTH: Final = 1.6


@dataclass(frozen=True, slots=True)
class Patience:
    """All in seconds. What EC2 has made, it shows a little later: usually within a second or two,
    and for sure (`certain`) after an hour."""

    first: float = 0.4  # between two looks; it grows ...
    longest: float = 5.0  # ... up to here
    find: float = 6.0  # for what a run that was killed may have made
    show: float = 90.0  # for what exists, as EC2 itself says
    ask: float = 60.0  # asking again what was throttled or got lost
    run: float = 300.0  # until an instance runs and has an address
    end: float = 600.0  # until it is terminated
    absent: float = 10.0  # not shown for so long, it is gone
    certain: float = 3600.0

    def pauses(self, clock: Clock, seconds: float) -> Iterator[float]:
        """How long to pause after each look, growing; the last look is when the time is over."""
        end = clock.monotonic() + seconds
        pause = self.first
        while (left := end - clock.monotonic()) > 0:
            yield min(left, pause * _JITTER.uniform(0.7, 1.3))
            pause = min(pause * _GROWTH, self.longest)
        yield 0.0


PATIENCE: Final = Patience()
