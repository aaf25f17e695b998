"""A plan's steps as people read them: what is alike said once, under folded names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.plan import Action, Change, Plan, Risk, Step

_NAMES_IN_TEXT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Group:
    """Steps that do the same for the same reason. `waves` is how many of them follow each other."""

    action: Action
    steps: tuple[Step, ...]
    reason: str
    risk: Risk
    changes: tuple[Change, ...]
    waves: int


def groups(plan: Plan) -> tuple[Group, ...]:
    """The steps in groups, in the order in which each group's first step stands in the plan."""
    depth = depths(plan.steps)
    found: dict[tuple[object, ...], list[Step]] = {}
    for step in plan.steps:
        found.setdefault(_alike(step), []).append(step)
    return tuple(
        Group(
            action=steps[0].action,
            steps=tuple(steps),
            reason=_common_reason(steps),
            risk=steps[0].risk,
            changes=steps[0].changes,
            waves=len({depth[step.key] for step in steps}),
        )
        for steps in found.values()
    )


def depths(steps: Sequence[Step]) -> Mapping[str, int]:
    """How many steps, one after the other, must have ended before each step can begin."""
    by_key = {step.key: step for step in steps}
    depth: dict[str, int] = {}
    for root in by_key:
        waiting = [root]
        while waiting:
            key = waiting[-1]
            before = [k for k in by_key[key].after if k in by_key]
            missing = [k for k in before if k not in depth]
            if missing:
                waiting += missing
                continue
            depth[key] = 1 + max((depth[k] for k in before), default=-1)
            waiting.pop()
    return depth


def _alike(step: Step) -> tuple[object, ...]:
    """What steps of one group have in common; the nodes named in a reason may differ. Instances
    and backends have no names to fold: each is read by itself."""
    names = {step.node, step.agent}
    reason = _NAMES_IN_TEXT.sub(lambda m: "*" if m[0] in names else m[0], step.reason)
    changes, stays = step.changes, step.inverse is None
    alone = step.instance or step.router, step.stage
    return step.action, step.risk, step.pool, alone, reason, changes, stays


def _common_reason(steps: Sequence[Step]) -> str:
    reasons = dict.fromkeys(step.reason for step in steps)
    return next(iter(reasons)) if len(reasons) == 1 else ""
