"""Weights as steps of a plan, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from phoenixctl.model.plan import Action, Change, Drift, Inverse, Plan, Step
from phoenixctl.model.playbook import EVERYWHERE

if TYPE_CHECKING:  # it brings numpy along, and a rollback needs none
    from phoenixctl.planning.weighing import Weighing

TAKE_BACK: Final = "phoenixctl balance apply --take-back"


def plan_weights(found: Sequence[Weighing], *, strategy: str) -> Plan:
    """A step for each backend of which a weight changes."""
    steps, unchanged, drift = [], [], []
    for weighing in found:
        changes = tuple(
            Change(m.name, str(m.now), str(m.wanted)) for m in weighing.members if m.changes
        )
        drift += [
            Drift(f"router.{weighing.of}", f"{m.name} has weight {m.now}, {m.why}", TAKE_BACK)
            for m in weighing.members
            if m.foreign
        ]
        if changes:
            steps.append(_step(weighing, changes, strategy))
        else:
            unchanged.append(f"{weighing.of} has the weights that it should have")
    return Plan("set weights", tuple(steps), tuple(unchanged), drift=tuple(drift))


def _step(weighing: Weighing, changes: tuple[Change, ...], strategy: str) -> Step:
    reason = f"{strategy} over {len(weighing.members)} members"
    if weighing.restarted:
        reason = f"the router was started anew and lost its weights; {reason}"
    return Step(
        Action.WEIGH,
        EVERYWHERE,
        None,
        reason,
        changes=changes,
        router=weighing.of,
        inverse=Inverse(Action.WEIGH),
    )


def weighed_back(step: Step, why: str) -> Step:
    """The step that gives members the weights that they had before."""
    back = tuple(Change(c.name, c.after, c.before) for c in step.changes)
    return replace(step, reason=why, changes=back, after=())
