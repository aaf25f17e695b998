"""What it would do to others, and to the rest of its spec, that an agent leaves its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.rules import Affinity, AgentSelector
from phoenixctl.placement.labels import may_match
from phoenixctl.placement.rules import rules_of

if TYPE_CHECKING:
    from phoenixctl.placement.board import Board


def harm(spec: AgentSpec, board: Board) -> int:
    """By how much the hard rules are broken that an agent of this spec may break by leaving, as
    things stand; to be compared before and after."""
    rules = rules_of(spec)
    uneven = sum(
        max(0, _skew(rule.across, spec, board) - rule.max_skew)
        for rule in rules.spread
        if rule.weight is None
    )
    narrow = sum(
        _narrow(rule.across, min(rule.at_least, spec.replicas), spec, board)
        for rule in rules.redundancy
        if rule.weight is None
    )
    return uneven + narrow + _lonely(spec, board)


def _skew(label: str, spec: AgentSpec, board: Board) -> int:
    domains = board.domains(label)
    counts = board.who.tally(AgentSelector(specs=(spec.name,)), label, domains).settled[:-1]
    there = counts[board.reach(spec, label)]
    return int(there.max() - there.min()) if there.size else 0


def _narrow(label: str, wanted: int, spec: AgentSpec, board: Board) -> int:
    """How many domains are missing that those still to come cannot make up for."""
    domains = board.domains(label)
    counts = board.who.tally(AgentSelector(specs=(spec.name,)), label, domains).settled
    to_come = max(0, spec.replicas - int(counts.sum()))
    return max(0, wanted - int((counts[:-1] > 0).sum()) - to_come)


def _lonely(spec: AgentSpec, board: Board) -> int:
    """Agents whose spec wants others near, maybe of this spec, and that have none."""
    return sum(
        _without(rule, other, board)
        for other, rule in board.memo("near", lambda: _near(board))
        if may_match(rule.agents, spec.name, spec.labels)
    )


def _near(board: Board) -> list[tuple[AgentSpec, Affinity]]:
    return [
        (spec, rule)
        for spec in board.fleet.agents.values()
        for rule in rules_of(spec).affinity
        if rule.weight is None
    ]


def _without(rule: Affinity, spec: AgentSpec, board: Board) -> int:
    domains = board.domains(rule.within)
    mine = board.who.tally(AgentSelector(specs=(spec.name,)), rule.within, domains).settled[:-1]
    near = board.who.tally(rule.agents, rule.within, domains).settled[:-1]
    itself = int(may_match(rule.agents, spec.name, spec.labels))
    if int(near.sum()) <= itself:  # the first one needs nobody
        return 0 if itself else int(mine.sum())
    return int(mine[near <= itself].sum())
