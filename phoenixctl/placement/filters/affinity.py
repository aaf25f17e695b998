"""An agent that belongs to others goes where one of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent
from phoenixctl.model.placement import Rejection
from phoenixctl.model.rules import Affinity, AgentSelector
from phoenixctl.placement.filters.constraint import Constraint
from phoenixctl.placement.labels import matches
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools
    from phoenixctl.placement.board import Board


def together(rule: Affinity, agent: Agent, board: Board) -> Bools:
    """The domains (D + 1,) with another agent that the rule asks for.

    If it asks for agents like this one, and none is anywhere, any domain will do.
    """
    others = board.others(agent, rule.agents, rule.within, settled=True)
    found: Bools = others > 0
    found[-1] = False
    spec = agent.spec
    if not found.any() and matches(rule.agents, agent.id, spec.name, spec.labels):
        found[:-1] = True
    return found


def described(agents: AgentSelector) -> str:
    """The agents that a rule means, in words."""
    labels = [f"{key}={value}" for key, value in sorted(agents.labels.items())]
    parts = [" or ".join(names) for names in (agents.ids, agents.specs) if names]
    return " with ".join([*parts, *labels]) or "any agent"


def _mask(agent: Agent, board: Board, at: At) -> Bools | None:
    found: Bools | None = None
    for rule in rules_of(agent.spec).affinity:
        if rule.weight is None:
            near = board.domains(rule.within).of(together(rule, agent, board), at)
            found = near if found is None else found & near
    return found


def _why(agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    found = []
    for rule in rules_of(agent.spec).affinity:
        domains = board.domains(rule.within)
        if rule.weight is None and not together(rule, agent, board)[domains.codes[node]]:
            value = domains.value(node)
            where = f"no label {rule.within}" if value is None else f"none in {value}"
            found.append(
                Rejection(
                    board.names[node],
                    "affinity",
                    f"{described(rule.agents)} in the same {rule.within}",
                    where,
                    f"a weight for it in agents.{agent.spec.name}.placement.affinity",
                )
            )
    return tuple(found)


AFFINITY = Constraint("affinity", _mask, _why)
