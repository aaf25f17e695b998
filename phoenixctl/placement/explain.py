"""Why an agent goes where it goes, node by node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Explanation, Verdict
from phoenixctl.model.snapshot import AgentState, Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.company import Waiting, seat_with_company
from phoenixctl.placement.scores.every import scores, strategy_of


def explain(agent: Agent, fleet: Fleet, snapshot: Snapshot) -> Explanation:
    """What every node of the snapshot says to the agent, if it was placed now.

    Where it runs, its own copy is left out: it does not stand in its own way. If no node takes it
    alone, it is tried with those that it needs and that have no place either, as placement does.
    """
    here = tuple(s.node for s in snapshot.find(agent.id) if s.state is not AgentState.STOPPED)
    board = Board.of(fleet, snapshot, without={agent.id})
    found = explain_on(board, agent, here)
    return found if found.open else replace(found, company=_company(board, agent, fleet))


def explain_on(board: Board, agent: Agent, here: Sequence[NodeName] = ()) -> Explanation:
    """The same on a board, where the agent has no place."""
    open_to = board.open_to(agent)
    found = scores(agent, board)
    # As placement chooses: of those alike, the one with the fewest agents, then by name.
    best_first = np.lexsort((board.by_name, board.count, -found.total))
    verdicts = [
        Verdict(
            board.names[node],
            terms={name: float(term[node]) for name, term in found.terms.items()},
            score=float(found.total[node]),
        )
        for node in best_first[open_to[best_first]]
    ]
    closed = [
        Verdict(board.names[node], board.rejections(agent, int(node)))
        for node in np.flatnonzero(~open_to)
    ]
    return Explanation(
        agent.id,
        strategy_of(agent.spec, board.settings).value,
        dict(found.weights),
        tuple(here),
        (*verdicts, *sorted(closed, key=lambda v: _lacks(v, board))),
    )


def _company(board: Board, agent: Agent, fleet: Fleet) -> tuple[tuple[AgentId, NodeName], ...]:
    """Where it and others would go together."""
    known = {agent.id, *board.residents}
    others = [one for one in fleet.instances() if one.id not in known]
    party = seat_with_company(agent, Waiting(others, board, ()), board, {})
    return tuple((one.id, node) for one, node in party or ())


def _lacks(verdict: Verdict, board: Board) -> tuple[float, int, int]:
    """How much of a change it would take: the sum of all that has to change."""
    by = sum(rejection.by for rejection in verdict.rejections)
    return by, len(verdict.rejections), int(board.by_name[board.number[verdict.node]])
