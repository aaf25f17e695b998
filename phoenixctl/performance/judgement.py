"""Whether a change stays: from what it did on canaries, as long as the trial goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from phoenixctl.model.names import NodeName
from phoenixctl.performance.effect import Effect


class Aim(StrEnum):
    """What a change has to show."""

    IMPROVE = "improve"  # a tuning is undone when it does nothing
    NO_HARM = "no harm"  # an upgrade is made for something else


class Fate(StrEnum):
    WAIT = "wait"
    KEEP = "keep"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Judgement:
    fate: Fate
    why: str


def judge_change(
    found: Effect | None, aim: Aim, *, over: bool, lost: Sequence[NodeName] = ()
) -> Judgement:
    """What becomes of a change; `over`: its trial has come to its end. `lost` are canaries that do
    not answer any more. None: nothing can be told yet, or with so few nodes never.
    """
    if lost:
        return Judgement(Fate.UNDO, f"no contact with {', '.join(sorted(lost))} since the change")
    if found is None:
        if not over:
            return Judgement(Fate.WAIT, "nothing can be told yet")
        return Judgement(Fate.UNDO, "too few nodes reported response times to tell anything")
    if found.harmful:
        return Judgement(Fate.UNDO, f"response times rose: {in_words(found)}")
    if found.useful and aim is Aim.IMPROVE:
        return Judgement(Fate.KEEP, f"response times fell: {in_words(found)}")
    if not over:
        return Judgement(Fate.WAIT, in_words(found))
    if aim is Aim.NO_HARM:
        return Judgement(Fate.KEEP, f"no harm was found: {in_words(found)}")
    return Judgement(Fate.UNDO, f"no benefit was found: {in_words(found)}")


def in_words(found: Effect) -> str:
    """`-12.0 % (-15.2 to -8.6), 5 canaries beside 15 others`."""
    return (
        f"{found.ratio:+.1%} ({found.low:+.1%} to {found.high:+.1%}),"
        f" {found.canaries} canaries beside {found.controls} others"
    )
