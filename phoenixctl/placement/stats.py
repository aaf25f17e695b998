"""The placement of a fleet in numbers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from phoenixctl.model.fleet import Agent, AgentSpec, Fleet
from phoenixctl.model.names import AgentId
from phoenixctl.model.placement import PlacementStats, Room, Usage, Violation
from phoenixctl.model.reading import Metric
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.capacity import CPU, MEMORY
from phoenixctl.placement.filters.caps import ceiling
from phoenixctl.placement.line import Line
from phoenixctl.placement.objectives import objectives
from phoenixctl.placement.place import place_in
from phoenixctl.placement.posed import pose
from phoenixctl.placement.solver.bound import nodes_needed

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import Bools

MOST_ROOM: Final = 100  # agents of a spec with rules about neighbours that places are looked for

_MEASURED: Final = {CPU: Metric.CPU, MEMORY: Metric.MEMORY}
_PASSING: Final = frozenset({"health", "cordon", "join"})  # keep agents from coming, not from being


def placement_stats(
    fleet: Fleet, snapshot: Snapshot, *, most_room: int = MOST_ROOM
) -> PlacementStats:
    """Totals, use of resources, efficiency, room for more, and what is not as the rules want."""
    board = Board.of(fleet, snapshot)
    wanted = fleet.instances()
    missing = (agent for agent in wanted if agent.id not in board.residents)
    return PlacementStats(
        agents=len(board.residents),
        wanted=len(wanted),
        nodes=len(board.names),
        nodes_in_use=int((board.count > 0).sum()),
        nodes_needed=_nodes_needed(board),
        unplaced=unplaced(fleet, snapshot, missing),
        usage=usage(board),
        room={spec.name: room(board, spec, most_room) for spec in fleet.agents.values()},
        violations=tuple(violations(board, wanted)),
        objectives=objectives(board),
    )


def usage(board: Board) -> tuple[Usage, ...]:
    """Every resource over all nodes where it is known."""
    full = _without_room(board)
    return tuple(_usage(board, column, full) for column in range(len(board.resources)))


def room(board: Board, spec: AgentSpec, most: int = MOST_ROOM) -> Room:
    """How many more agents of the spec there is a place for.

    Where its rules speak of neighbours one agent is placed after the other, at most so many;
    without, each node tells for itself.
    """
    like = Agent(spec, spec.replicas)
    if board.is_social(spec):
        return _found_room(board, spec, most)
    takes, need = board.local(like), board.need(spec)
    asked = need.nonzero()[0]
    if not asked.size:
        return Room(None if takes.any() else 0)
    free = (ceiling(like, board) - board.promised)[np.ix_(takes, asked)]
    return Room(int(np.floor(free / need[asked]).min(axis=1, initial=np.inf).sum()))


def _found_room(board: Board, spec: AgentSpec, most: int) -> Room:
    line, found = Line(board, Agent(spec, spec.replicas)), []
    hopeless: dict[Hashable, int] = {}  # rules may name some of them
    for number in range(most):
        agent = Agent(spec, spec.replicas + number)
        kind = board.alike(agent)
        if kind is not None and hopeless.get(kind) == board.version:
            continue
        node = line.take(agent)
        if node is None:
            hopeless[kind] = board.version
        else:
            found.append((agent.id, node))
    for agent_id, node in reversed(found):
        board.withdraw(agent_id, node)
    return Room(len(found), or_more=len(found) == most)


def violations(board: Board, agents: Sequence[Agent]) -> Iterator[Violation]:
    """The rules that agents break where they run, in the order of the agents."""
    for agent in agents:
        resident = board.residents.get(agent.id)
        for number in tuple(resident.nodes) if resident is not None else ():
            node = board.names[number]
            board.withdraw(agent.id, node)
            let_in = board.open_to(agent, slice(number, number + 1))[0]
            found = () if let_in else board.rejections(agent, number)
            board.promise(agent, node)
            yield from (Violation(agent.id, r) for r in found if r.constraint not in _PASSING)


def _usage(board: Board, column: int, full: Bools) -> Usage:
    resource = board.resources[column]
    total, promised = board.total[:, column], board.promised[:, column]
    known = ~np.isnan(total)
    free = np.maximum(0.0, board.capacity[:, column] - promised)
    return Usage(
        resource=resource,
        total=float(total[known].sum()),
        reserved=float((total - board.allowed[:, column])[known].sum()),
        promised=float(promised[known].sum()),
        free=float(free[known].sum()),
        stranded=float(free[known & full].sum()),
        in_use=_in_use(board, resource, column),
    )


def _nodes_needed(board: Board) -> int:
    """A lower bound on the nodes for what was promised, where it is not more than there is."""
    in_use = int((board.count > 0).sum())
    return min(in_use, nodes_needed(pose(board, movable=lambda _: True).problem)) if in_use else 0


def _in_use(board: Board, resource: str, column: int) -> float | None:
    metric = _MEASURED.get(resource)
    if metric is None:
        return None
    amounts = board.measured(metric) * board.total[:, column]
    known = ~np.isnan(amounts)
    return float(amounts[known].sum()) if known.any() else None


def _without_room(board: Board) -> Bools:
    """The nodes (N,) that would take agents which ask for something, and have no room for any."""
    asking = [spec for spec in board.fleet.agents.values() if board.need(spec).any()]
    welcome = np.zeros(len(board.names), np.bool_)
    takes = welcome.copy()
    for spec in asking:
        welcome |= board.lasting(spec)
        takes |= board.local(Agent(spec, spec.replicas))
    found: Bools = welcome & ~takes
    return found


def unplaced(fleet: Fleet, snapshot: Snapshot, agents: Iterable[Agent]) -> tuple[AgentId, ...]:
    """Those of these agents, which run nowhere, that no node would take."""
    waiting = tuple(agents)
    placed = place_in(Board.of(fleet, snapshot), waiting).assigned
    return tuple(agent.id for agent in waiting if agent.id not in placed)
