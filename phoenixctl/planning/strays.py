"""Agents that run where a rule does not want them. A plan lets them run; a rebalance moves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.planning.order import sorted_names

if TYPE_CHECKING:  # arrays are imported by plans for which they matter
    from phoenixctl.placement.board import Board

RULES: Final = frozenset(
    {"selector", "taint", "anti-affinity", "affinity", "spread", "redundancy"}
)  # of the constraints; the others are about room, or about nodes as they are just now

_SHOWN: Final = 5
_LEAVING: Final = frozenset({Action.STOP, Action.DRAIN, Action.MIGRATE})
_COMING: Final = frozenset({Action.START, Action.MIGRATE})


def notes_about_strays(
    fleet: Fleet, snapshot: Snapshot, steps: Iterable[Step], concerns: Callable[[Agent], bool]
) -> list[str]:
    """One note for all agents that no step moves, and that break a rule when the steps are done.
    Where no spec has rules, nothing is computed."""
    if not any(spec.rules for spec in fleet.agents.values()):
        return []
    from phoenixctl.placement.stats import violations

    moving = [s for s in steps if s.agent and s.action in _LEAVING | _COMING]
    moved, wanted = {step.agent for step in moving}, fleet.instances()
    staying = [agent for agent in wanted if agent.id not in moved and concerns(agent)]
    if not staying:
        return []
    board = _afterwards(fleet, snapshot, moving, wanted)
    found = [v for v in violations(board, staying) if v.rejection.constraint in RULES]
    if not found:
        return []
    names = sorted_names({v.agent for v in found})
    broken = ", ".join(sorted({v.rejection.constraint for v in found}))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    run = "runs" if len(names) == 1 else "run"
    named = f"{', '.join(names[:_SHOWN])}{more}"
    return [f"{named}: {run} where a rule forbids it ({broken}); see: phoenixctl rebalance"]


def _afterwards(
    fleet: Fleet, snapshot: Snapshot, moving: Sequence[Step], wanted: Iterable[Agent]
) -> Board:
    """Who is where on the nodes that there are, when these steps are done."""
    from phoenixctl.placement.board import Board

    gone = {step.agent for step in moving if step.agent}
    board, agents = Board.of(fleet, snapshot, without=gone), {one.id: one for one in wanted}
    for step in moving:
        if step.action in _COMING and step.agent in agents and step.node in board.number:
            board.promise(agents[step.agent], step.node)
    return board
