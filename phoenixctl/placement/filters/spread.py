"""The agents of a spec are spread over the values of a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent
from phoenixctl.model.placement import Rejection
from phoenixctl.model.rules import AgentSelector, Spread
from phoenixctl.placement.filters.constraint import Constraint
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools, Ints
    from phoenixctl.placement.board import Board


def skew(label: str, agent: Agent, board: Board) -> Ints:
    """By how much each domain (D + 1,) would have more agents of the spec than the one with the
    fewest, counted over the domains that have a node for the spec."""
    counts = board.others(agent, AgentSelector(specs=(agent.spec.name,)), label, settled=True)
    there = board.reach(agent.spec, label)
    fewest = counts[:-1][there].min() if there.any() else 0
    return counts + 1 - fewest


def even(rule: Spread, agent: Agent, board: Board) -> Bools:
    """The domains (D + 1,) that may get the agent. Nodes without the label are in none."""
    found: Bools = skew(rule.across, agent, board) <= rule.max_skew
    found[-1] = False
    return found


def _mask(agent: Agent, board: Board, at: At) -> Bools | None:
    found: Bools | None = None
    for rule in rules_of(agent.spec).spread:
        if rule.weight is None:
            nodes = board.domains(rule.across).of(even(rule, agent, board), at)
            found = nodes if found is None else found & nodes
    return found


def _why(agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    found = []
    for rule in rules_of(agent.spec).spread:
        domains = board.domains(rule.across)
        if rule.weight is not None or even(rule, agent, board)[domains.codes[node]]:
            continue
        need = f"at most {rule.max_skew} more in one {rule.across} than in another"
        name, value = board.names[node], domains.value(node)
        if value is None:
            have, remedy, by = f"no label {rule.across}", f"give it a label {rule.across}", 1.0
        else:
            more = int(skew(rule.across, agent, board)[domains.codes[node]])
            have, by = f"{more} more in {value}", (more - rule.max_skew) / more
            remedy = f"max_skew {more} in agents.{agent.spec.name}.placement.spread"
        found.append(Rejection(name, "spread", need, have, remedy, by))
    return tuple(found)


SPREAD = Constraint("spread", _mask, _why)
