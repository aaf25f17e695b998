"""The replicas of a spec end up in as many domains as they shall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent
from phoenixctl.model.placement import Rejection
from phoenixctl.model.rules import AgentSelector, Redundancy
from phoenixctl.placement.filters.constraint import Constraint
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools
    from phoenixctl.placement.board import Board


def redundant(rule: Redundancy, agent: Agent, board: Board) -> Bools:
    """The domains (D + 1,) that may get the agent: new ones, and while those that are still to
    come are enough to reach the number also the others."""
    counts = board.others(agent, AgentSelector(specs=(agent.spec.name,)), rule.across, settled=True)
    spec = agent.spec
    wanted = min(rule.at_least, spec.replicas)
    to_come = max(0, spec.replicas - int(counts.sum()) - 1)
    found: Bools = counts == 0
    found[-1] = False
    if wanted - int((counts[:-1] > 0).sum()) <= to_come:
        found[:] = True
    return found


def _mask(agent: Agent, board: Board, at: At) -> Bools | None:
    found: Bools | None = None
    for rule in rules_of(agent.spec).redundancy:
        if rule.weight is None:
            nodes = board.domains(rule.across).of(redundant(rule, agent, board), at)
            found = nodes if found is None else found & nodes
    return found


def _why(agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    found = []
    for rule in rules_of(agent.spec).redundancy:
        domains = board.domains(rule.across)
        if rule.weight is None and not redundant(rule, agent, board)[domains.codes[node]]:
            value = domains.value(node)
            found.append(
                Rejection(
                    board.names[node],
                    "redundancy",
                    f"replicas in {min(rule.at_least, agent.spec.replicas)} of {rule.across}",
                    f"no label {rule.across}" if value is None else f"one in {value} already",
                    f"a lower at_least in agents.{agent.spec.name}.placement.redundancy",
                )
            )
    return tuple(found)


REDUNDANCY = Constraint("redundancy", _mask, _why)
