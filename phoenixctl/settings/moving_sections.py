"""The sections about agents that move with their state, and about checkpoints for fail-over.

As in `sections`, the annotations are not strings.
"""

from typing import Annotated

from phoenixctl.model import moving
from phoenixctl.settings.kinds import choice
from phoenixctl.settings.models import CheckSection
from phoenixctl.settings.sections import Section, key
from phoenixctl.settings.values import AtLeastOne, Count, Duration, Flag

WayName = Annotated[moving.Way, choice("live", "checkpoint", "cold", make=moving.Way)]


class MigrationSection(Section):
    strategy: WayName | None = key(
        "A standby takes over (live), or it starts elsewhere: from its checkpoint, or (cold) with "
        "its state folder; by default the first of them that its hooks allow."
    )
    state: Flag = key("Its state folder comes along.", like=(moving.Migration, "state"))
    standby: CheckSection | None = key(
        "When a standby is prepared; by default when its process is there."
    )
    rounds: Count = key(
        "Most copies of its state that are made while it runs.", like=(moving.Migration, "rounds")
    )
    pause: Duration = key(
        "Longest pause; past it, a migration is taken back.",
        like=(moving.Migration, "pause_seconds"),
    )


class CheckpointsSection(Section):
    every: Duration = key(
        "`agents checkpoint` makes a new one when the last is older.",
        like=(moving.Checkpoints, "every_seconds"),
    )
    copies: AtLeastOne = key(
        "On how many other nodes each is kept.", like=(moving.Checkpoints, "copies")
    )
    keep: AtLeastOne = key("How many of an agent are kept.", like=(moving.Checkpoints, "keep"))
