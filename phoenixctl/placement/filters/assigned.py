"""An agent that names its pools or nodes goes nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent, AgentSpec, Node
from phoenixctl.model.placement import Rejection
from phoenixctl.placement.filters.constraint import Constraint

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools
    from phoenixctl.placement.board import Board


def misplaced(spec: AgentSpec, node: Node) -> Rejection | None:
    """Why the spec's agents may not be on that node, whether they are there or not."""
    if spec.pools and node.pool not in spec.pools:
        remedy = f"add {node.pool} to agents.{spec.name}.pools"
        return Rejection(node.name, "pool", " or ".join(spec.pools), node.pool, remedy)
    if spec.nodes and node.name not in spec.nodes:
        remedy = f"add {node.name} to agents.{spec.name}.nodes"
        return Rejection(node.name, "nodes", f"one of {len(spec.nodes)} named", node.name, remedy)
    return None


def _mask(agent: Agent, board: Board, at: At) -> Bools | None:
    # `misplaced` is asked by commands that place nothing.
    import numpy as np

    from phoenixctl.model.rules import POOL

    spec = agent.spec
    if not spec.pools and not spec.nodes:
        return None
    found = np.ones(len(board.names), np.bool_)
    if spec.pools:
        pools = board.domains(POOL)
        found = np.array([name in spec.pools for name in pools.values], np.bool_)[pools.codes]
    if spec.nodes:
        named = np.zeros(len(board.names), np.bool_)
        named[[board.number[name] for name in spec.nodes if name in board.number]] = True
        found &= named
    return found[at]


def _why(agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    found = misplaced(agent.spec, board.seats[node].node)
    return () if found is None else (found,)


ASSIGNED = Constraint("assigned", _mask, _why)
