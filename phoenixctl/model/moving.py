"""How an agent's state comes along when it moves, and how it is kept for when its node dies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phoenixctl.model.hooks import ReadyCheck


class Way(StrEnum):
    """How an agent is migrated; the better first."""

    LIVE = "live"  # a standby takes over; requests wait for a moment
    CHECKPOINT = "checkpoint"  # it is stopped, and starts elsewhere from its checkpoint
    COLD = "cold"  # it is stopped, and starts elsewhere with its state folder


@dataclass(frozen=True, slots=True)
class Migration:
    """What a spec says about migrating its agents.

    `way`: None for the best that its hooks allow. `state`: its state folder comes along.
    `standby` succeeds once a standby is prepared; None: once its process is there. `rounds` copies
    at most are made while it runs. `pause_seconds`: a pause that lasts longer is taken back.
    """

    way: Way | None = None
    state: bool = True
    standby: ReadyCheck | None = None
    rounds: int = 4
    pause_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """An agent's checkpoints for its fail-over: at most one in `every_seconds`, with a copy on
    `copies` other nodes, of which the last `keep` stay."""

    every_seconds: float = 300.0
    copies: int = 1
    keep: int = 3
