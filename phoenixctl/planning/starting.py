"""What comes with starting an agent: why it is started, what is left of it, why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement, Rejection
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.snapshot import AgentObservation, AgentState
from phoenixctl.planning import steps
from phoenixctl.planning.copies import ALIVE, STANDBY
from phoenixctl.remote.lease import WAITS


def left_behind(found: Iterable[AgentObservation], node: NodeName) -> list[Step]:
    """The stops of copies that are in the way of a start there: those elsewhere that their
    supervisor would start again some day, and standbys that nobody has promoted."""
    left = []
    for seen in found:
        if seen.role == STANDBY and seen.state in ALIVE:
            left.append(steps.end(Action.STOP, seen, f"it is a standby, and it starts on {node}"))
        elif seen.node != node and is_in_the_way(seen):
            how = "is failed" if seen.state is AgentState.FAILED else f"is held back ({seen.held})"
            left.append(steps.end(Action.STOP, seen, f"it {how} there and starts on {node}"))
    return left


def is_in_the_way(seen: AgentObservation) -> bool:
    """Whether it does not run, and its supervisor would start it again: at a reboot, or when it is
    permitted."""
    return seen.state is AgentState.FAILED or bool(seen.held)


def why_start(found: Iterable[AgentObservation], node: NodeName) -> str:
    seen = next((a for a in found if a.node == node), None)
    if seen is None:
        return "it does not run anywhere"
    return f"it {seen.held}" if seen.held == WAITS else f"it is {seen.held or seen.state} there"


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
