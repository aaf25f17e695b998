"""Plans that protect nodes from being destroyed, and that let them go again."""

from __future__ import annotations

from collections.abc import Iterable

from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Inverse, Plan, Step
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.planning import changes


def plan_protect(nodes: Iterable[NodeName], state: State) -> Plan:
    """Let no plan destroy or forget these nodes, and no call to their provider either."""
    return _marking("protect nodes", nodes, state, on=True)


def plan_unprotect(nodes: Iterable[NodeName], state: State) -> Plan:
    """Let plans destroy and forget these nodes again."""
    return _marking("unprotect nodes", nodes, state, on=False)


def _marking(title: str, nodes: Iterable[NodeName], state: State, *, on: bool) -> Plan:
    steps: list[Step] = []
    unchanged: list[str] = []
    warnings: list[str] = []
    for name in nodes:
        record = state.nodes.get(name)
        if record is None:
            warnings.append(f"{name} is not in the record: `phoenixctl apply` takes it in first")
        elif record.protected is on:
            unchanged.append(f"{name} is {'' if on else 'not '}protected")
        else:
            steps.append(_step(name, record, on=on))
    return Plan(title, tuple(steps), tuple(unchanged), tuple(warnings))


def _step(name: NodeName, record: NodeRecord, *, on: bool) -> Step:
    return Step(
        Action.PROTECT if on else Action.UNPROTECT,
        name,
        None,
        "asked for",
        pool=record.node.pool,
        changes=(changes.yes if on else changes.no)("protected"),
        inverse=Inverse(Action.UNPROTECT if on else Action.PROTECT),
    )
