"""What comes with starting an agent: why it is started, what is left of it, why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement, Rejection
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.snapshot import AgentObservation, AgentState
from phoenixctl.planning import steps


def left_behind(found: Iterable[AgentObservation], node: NodeName, why: str) -> list[Step]:
    """Failed copies elsewhere: their supervisor would start them again when the node reboots."""
    return [
        steps.end(Action.STOP, seen, why)
        for seen in found
        if seen.state is AgentState.FAILED and seen.node != node
    ]


def why_start(found: Iterable[AgentObservation], node: NodeName) -> str:
    seen = next((a for a in found if a.node == node), None)
    return "it does not run anywhere" if seen is None else f"it is {seen.state} there"


def unplaced(placement: Placement, on: NodeName | None = None) -> Iterable[str]:
    """A warning for each agent that no node takes, or not the one asked for."""
    for agent, rejections in placement.unplaced.items():
        if on is None:
            yield fits_nowhere(agent, rejections)
        else:
            why = ", ".join(f"{r.constraint}: needs {r.need}, has {r.have}" for r in rejections)
            yield f"{agent} does not fit on {on} ({why})"


def fits_nowhere(agent: AgentId, rejections: Sequence[Rejection]) -> str:
    return f"{agent} fits on no node: {_summary(rejections)}"


def _summary(rejections: Sequence[Rejection]) -> str:
    if not rejections:
        return "the fleet has none"
    shown = [f"{r.node} ({r.constraint}: needs {r.need}, has {r.have})" for r in rejections[:3]]
    more = f" and {len(rejections) - 3} more" if len(rejections) > 3 else ""
    return ", ".join(shown) + more
