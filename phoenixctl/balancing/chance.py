"""Where a pick's chance comes from: whoever sends requests brings it."""

from __future__ import annotations

from typing import Protocol


class Chance(Protocol):
    def random(self) -> float:
        """From 0 on and below 1, each as likely."""
        ...
