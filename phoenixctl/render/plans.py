"""A plan before it runs, its steps while it runs, and what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from phoenixctl.model.plan import Action, Change, Cost, Plan, Risk, Step
from phoenixctl.model.playbook import EVERYWHERE
from phoenixctl.render.gather import fold
from phoenixctl.render.neutral import one_line
from phoenixctl.render.plan_groups import Group, groups
from phoenixctl.render.tables import styled

_SIGN: Final = {
    Action.START: ("+", "green"),
    Action.STOP: ("-", "red"),
    Action.RESTART: ("~", "yellow"),
    Action.UPDATE: ("~", "yellow"),
    Action.DRAIN: ("-", "yellow"),
    Action.MIGRATE: ("~", "green"),
    Action.CORDON: ("~", "cyan"),
    Action.UNCORDON: ("~", "cyan"),
    Action.REBOOT: ("~", "yellow"),
    Action.CREATE: ("+", "green"),
    Action.JOIN: ("+", "cyan"),
    Action.PROTECT: ("~", "cyan"),
    Action.UNPROTECT: ("~", "cyan"),
    Action.DESTROY: ("-", "red"),
    Action.FORGET: ("-", "yellow"),
    Action.ROUTE: ("~", "cyan"),
    Action.WEIGH: ("~", "cyan"),
    Action.EXEC: (">", "cyan"),
    Action.COPY: (">", "cyan"),
    Action.WAIT: ("?", "cyan"),
    Action.APPROVE: ("?", "magenta"),
    Action.NOTIFY: ("!", "cyan"),
    Action.ROTATE: ("~", "yellow"),
}
_NEW: Final = frozenset({Action.START, Action.CREATE, Action.JOIN})
# Of the others the line says it all: what is cordoned was not, what is stopped is gone.
_WITH_CHANGES: Final = frozenset(
    {Action.CREATE, Action.UPDATE, Action.RESTART, Action.MIGRATE, Action.ROUTE, Action.WEIGH}
)
_FOLDED_FROM: Final = 4  # so many steps that are alike are shown as one line
_CHANGES_SHOWN: Final = 12


def print_plan(plan: Plan, console: Console, *, wide: bool = False) -> None:
    """Drift; what would change, with its reason; what stays; what to know; the sum.

    Steps that are alike are one line, unless `wide`.
    """
    if plan.drift:
        console.print(Text("not as recorded:", style="bold"))
        for drift in plan.drift:
            text = f"  {one_line(drift.address)}: {one_line(drift.what)}"
            console.print(Text(text, style="magenta"), soft_wrap=True)
        for hint in dict.fromkeys(drift.hint for drift in plan.drift if drift.hint):
            console.print(Text(f"  try: {one_line(hint)}", style="magenta"), soft_wrap=True)
    for group in groups(plan):
        _print_group(group, console, wide=wide)
    for note in (*plan.unchanged, *plan.notes):
        console.print(Text(f"  {one_line(note)}", style="dim"), soft_wrap=True)
    for warning in plan.warnings:
        console.print(styled(f"! {warning}", "yellow"), soft_wrap=True)
    console.print(summary(plan), style="bold")
    if plan.cost is not None:
        console.print(_cost(plan.cost), soft_wrap=True)
    for breach in plan.breaches:
        console.print(
            styled(f"forbidden by {breach.guard}: {breach.what}", "bold red"), soft_wrap=True
        )
        console.print(Text(f"  try: {one_line(breach.hint)}", style="red"), soft_wrap=True)


def _print_group(group: Group, console: Console, *, wide: bool) -> None:
    if wide or len(group.steps) < _FOLDED_FROM:
        for number, step in enumerate(group.steps):
            console.print(step_line(step), soft_wrap=True)
            if wide or number == len(group.steps) - 1:
                _print_changes(step, console, wide=wide)
        return
    console.print(_folded_line(group), soft_wrap=True)
    _print_changes(group.steps[0], console, wide=wide)


def step_line(step: Step) -> Text:
    """`+ start agent ingest-0 on web-1: it does not run anywhere`."""
    return _line(step.action, words(step), step.reason, step.risk)


def _folded_line(group: Group) -> Text:
    """`~ update agent ingest-[0-5] on web-[1-3] (6 in 3 waves): its spec has changed`."""
    agents = fold(sorted({s.agent for s in group.steps if s.agent is not None}))
    nodes = fold(sorted({s.node for s in group.steps}))
    where = f"{agents} on {nodes}" if agents else nodes
    first = group.steps[0]
    if first.task is not None:
        where = f"{one_line(first.stage)} on {nodes}"
    waves = f" in {group.waves} waves" if group.waves > 1 else ""
    what = f"{group.action} {where} ({len(group.steps)}{waves})"
    return _line(group.action, what, group.reason, group.risk)


def _line(action: Action, what: str, reason: str, risk: Risk) -> Text:
    sign, style = _SIGN[action]
    return Text.assemble(
        (f"{sign} ", style),
        (what, ""),
        (f": {one_line(reason)}" if reason else "", "dim"),
        (f" ({risk})" if risk is not Risk.SAFE else "", "yellow"),
    )


def _print_changes(step: Step, console: Console, *, wide: bool) -> None:
    if not wide and step.action not in _WITH_CHANGES:
        return
    width = max((len(change.name) for change in step.changes), default=0)
    new = step.action in _NEW
    for change in step.changes[:_CHANGES_SHOWN]:
        name = one_line(change.name).ljust(width)
        line = Text.assemble((f"    {name}  ", "dim"), (_change(change, new=new), ""))
        console.print(line, soft_wrap=True)
    more = len(step.changes) - _CHANGES_SHOWN
    if more > 0:
        console.print(Text(f"    and {more} more; see them with -o json", style="dim"))


def _change(change: Change, *, new: bool) -> str:
    after = _shown(change.after) if change.known else "(known after apply)"
    return after if new and change.before is None else f"{_shown(change.before)} -> {after}"


def _shown(value: str | None) -> str:
    if value is None:
        return "(none)"
    return one_line(value) or '""'


def words(step: Step) -> str:
    """`start agent ingest-0 on web-1`, `cordon node web-1`, `destroy node web-3 (i-0abc)`."""
    if step.instance or step.router:
        return one_line(step.key)
    if step.task is not None:
        where = "" if step.node == EVERYWHERE else f" on {step.node}"
        return f"{step.action} {one_line(step.stage)}{where}"
    if step.agent is None:
        pool = f" in pool {step.pool}" if step.action is Action.CREATE else ""
        return f"{step.action} {step.node}{pool}"
    return f"{step.action} {step.agent} on {step.node}"


def summary(plan: Plan) -> str:
    """`cordon 1 node, drain 2 agents`."""
    counts: dict[Action, int] = {}
    for step in plan.steps:
        counts[step.action] = counts.get(step.action, 0) + 1
    parts = [_counted(action, count) for action, count in counts.items()]
    return ", ".join(parts) or "nothing to do"


def _counted(action: Action, count: int) -> str:
    if action in (Action.ROUTE, Action.WEIGH):  # of all members at once
        return f"{action} of {count} backend{'s' if count > 1 else ''}"
    verb, thing = action.split()
    return f"{verb} {count} {thing}{'s' if count > 1 else ''}"


def _cost(cost: Cost) -> Text:
    """`cost: 0.288 per hour, was 0.192 (+0.096)`."""
    change = cost.after - cost.before
    text = f"cost: {cost.after:.3f} per hour"
    if abs(change) >= 0.0005:
        text += f", was {cost.before:.3f} ({change:+.3f})"
    if cost.unpriced:
        text += f"; without a price: {', '.join(map(one_line, cost.unpriced))}"
    return Text(text, style="dim")


def plan_document(plan: Plan) -> Mapping[str, Any]:
    """A plan for programs; every key is always there."""
    return {
        "title": plan.title,
        "basis": plan.basis
        and {
            "fleet": plan.basis.fleet,
            "lineage": plan.basis.lineage,
            "serial": plan.basis.serial,
            "config_digest": plan.basis.config_digest,
        },
        "steps": [_step_document(step) for step in plan.steps],
        "summary": _counts(plan.steps),
        "drift": [
            {"address": d.address, "what": d.what, "hint": d.hint or None} for d in plan.drift
        ],
        "breaches": [{"guard": b.guard, "what": b.what, "hint": b.hint} for b in plan.breaches],
        "cost": plan.cost
        and {
            "before_per_hour": plan.cost.before,
            "after_per_hour": plan.cost.after,
            "unpriced": list(plan.cost.unpriced),
        },
        "sizes": dict(plan.sizes),
        "unchanged": list(plan.unchanged),
        "warnings": list(plan.warnings),
        "notes": list(plan.notes),
    }


def _step_document(step: Step) -> Mapping[str, Any]:
    return {
        "key": step.key,
        "address": step.address,
        "action": step.action.value,
        "node": step.node,
        "agent": step.agent,
        "instance": step.instance or None,
        "router": step.router or None,
        "pool": step.pool or None,
        "reason": step.reason,
        "risk": step.risk.value,
        "after": list(step.after),
        "grace_seconds": step.grace_seconds,
        "stage": step.stage or None,
        "task": step.task and {"kind": type(step.task).__name__.lower(), **asdict(step.task)},
        "spec_digest": step.spec_digest or None,
        "changes": [
            {"name": c.name, "before": c.before, "after": c.after, "known": c.known}
            for c in step.changes
        ],
        "relies_on": dict(step.relies_on),
        "inverse": step.inverse
        and {
            "action": step.inverse.action.value,
            "spec_digest": step.inverse.spec_digest or None,
        },
    }


def _counts(steps: Iterable[Step]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for step in steps:
        counts[step.action.value] = counts.get(step.action.value, 0) + 1
    return counts
