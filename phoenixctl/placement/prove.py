"""Whether agents find no place because there is none, and which few rules make it so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.placement import Ruling
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import EVERYWHERE, Board
from phoenixctl.placement.exact import Proof, infeasible
from phoenixctl.placement.filters.every import LASTING
from phoenixctl.placement.posed import Row, pose_anew
from phoenixctl.placement.solver.problem import NOWHERE

SECONDS: Final = 2.0  # deterministic, for each set of rules that is tried
_STAYS: Final = ("fixed", 0)


def prove(agents: Iterable[Agent], fleet: Fleet, snapshot: Snapshot) -> Ruling:
    """Whether no placement of these agents and of those that run keeps all hard rules.

    A proof counts for nodes as they are, and as measured, now. PhoenixError without ortools.
    """
    wanted = {agent.id: agent for agent in agents}
    running = Board.of(fleet, snapshot, without=wanted)
    board = Board.of(fleet, snapshot, without={*wanted, *running.residents})
    there = [
        Row(one, r.spec_name, r.need, r.settled[0], may_move=False)
        for one, r in running.residents.items()
    ]
    new = [Row(a.id, a.spec.name, board.need(a.spec), NOWHERE, True) for a in wanted.values()]
    try:
        posed, said = pose_anew(board, [*there, *new])
        proof = infeasible(posed.problem, SECONDS)
        if proof is not None and _STAYS in proof.rules and _is_broken(board, there):
            return Ruling(False, why="rules are broken already; see: phoenixctl placement stats")
    except UsageError as error:
        return Ruling(False, why=str(error))
    if proof is None:
        return Ruling(False, why="there may be a placement for which agents have to move")
    rules = tuple(_in_words(proof, board, said, list(wanted.values())))
    return Ruling(True, rules, stay=_STAYS in proof.rules)


def _is_broken(board: Board, there: Sequence[Row]) -> bool:
    """Whether those that run cannot all stay, whoever comes."""
    return infeasible(pose_anew(board, there)[0].problem, SECONDS) is not None


def _in_words(
    proof: Proof, board: Board, said: Mapping[tuple[str, int], str], agents: Sequence[Agent]
) -> Iterator[str]:
    for kind, number in proof.rules:
        if kind == "capacity":
            yield board.resources[number]
        elif kind == "eligible":
            yield _where(board, agents)
        elif (kind, number) in said:
            yield said[kind, number]


def _where(board: Board, agents: Sequence[Agent]) -> str:
    """What keeps these agents off some nodes, whoever else is there."""
    names = [
        each.name
        for each in LASTING
        if any(
            mask is not None and not mask.all()
            for mask in (each.mask(agent, board, EVERYWHERE) for agent in agents)
        )
    ]
    return f"where agents may go ({', '.join(names)})" if names else "where agents may go"
