"""Agents that must not be together are not: neither by the rules of the one that comes, nor by
those of the ones that are there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.model.placement import Rejection
from phoenixctl.model.rules import AgentSelector
from phoenixctl.placement.filters.affinity import described
from phoenixctl.placement.filters.constraint import Constraint
from phoenixctl.placement.labels import may_match
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools
    from phoenixctl.placement.board import Board


@dataclass(frozen=True, slots=True)
class Ban:
    """By a rule of the spec `by`, agents that are `off` are not together with these `agents`."""

    by: str
    agents: AgentSelector
    off: AgentSelector
    within: str


def apart(agents: AgentSelector, within: str, agent: Agent, board: Board) -> Bools:
    """The domains (D + 1,) without another one of these agents. Nodes without the label share
    nothing."""
    found: Bools = board.others(agent, agents, within, settled=False) == 0
    found[-1] = True
    return found


def bans(board: Board) -> tuple[Ban, ...]:
    """What every hard rule of the fleet keeps away from the agents that have it."""
    return board.memo(
        "bans",
        lambda: tuple(
            Ban(spec.name, AgentSelector(specs=(spec.name,)), rule.agents, rule.within)
            for spec in board.fleet.agents.values()
            for rule in rules_of(spec).anti_affinity
            if rule.weight is None
        ),
    )


def _bans(agent: Agent, board: Board) -> list[Ban]:
    """By the rules of its own spec, and by those of others that are about this agent."""
    spec = agent.spec
    _, found = board.memo(("bans", id(spec)), lambda: (spec, list(_about(spec, board))))
    return [ban for ban in found if not ban.off.ids or agent.id in ban.off.ids]


def _about(spec: AgentSpec, board: Board) -> Iterator[Ban]:
    own = AgentSelector(specs=(spec.name,))
    for rule in rules_of(spec).anti_affinity:
        if rule.weight is None:
            yield Ban(spec.name, rule.agents, own, rule.within)
    for ban in bans(board):
        # Rules of one spec work both ways by themselves, unless they name single agents.
        others = ban.by != spec.name or ban.off.ids
        if others and may_match(ban.off, spec.name, spec.labels):
            yield ban


def _mask(agent: Agent, board: Board, at: At) -> Bools | None:
    found: Bools | None = None
    for ban in _bans(agent, board):
        alone = board.domains(ban.within).of(apart(ban.agents, ban.within, agent, board), at)
        found = alone if found is None else found & alone
    return found


def _why(agent: Agent, board: Board, node: int) -> tuple[Rejection, ...]:
    found = []
    for ban in _bans(agent, board):
        domains = board.domains(ban.within)
        code = domains.codes[node]
        if not apart(ban.agents, ban.within, agent, board)[code]:
            met = int(board.others(agent, ban.agents, ban.within, settled=False)[code])
            value = domains.value(node)
            found.append(
                Rejection(
                    board.names[node],
                    "anti-affinity",
                    f"no {described(ban.agents)} in the same {ban.within}",
                    f"{met} in {value}",
                    f"a weight for it in agents.{ban.by}.placement.anti_affinity",
                )
            )
    return tuple(found)


ANTI_AFFINITY = Constraint("anti-affinity", _mask, _why)
