"""A board as a problem for the solver: the same agents, nodes and rules, as arrays.

What arrays cannot say is left to the filters, which see every move once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from phoenixctl.model.fleet import Agent, AgentSpec
from phoenixctl.model.names import AgentId
from phoenixctl.model.rules import Effect
from phoenixctl.placement.board import EVERYWHERE, Board
from phoenixctl.placement.filters.assigned import ASSIGNED
from phoenixctl.placement.filters.caps import UTILISATION, caps_of
from phoenixctl.placement.filters.selector import SELECTOR, meets
from phoenixctl.placement.filters.taints import TAINTS, free_of
from phoenixctl.placement.posed_rules import Groups, Social, social_rules
from phoenixctl.placement.rules import rules_of
from phoenixctl.placement.solver.problem import Bools, Floats, Ints, Problem, describe

WISH: Final = 0.2  # what a soft rule of weight 1 costs an agent that does not find it met
FORBIDDEN: Final = 1.0  # what an agent costs where it may not come, and is


@dataclass(frozen=True, slots=True)
class Posed:
    """A problem, and which agent each row of it is. Nodes have the numbers that the board gives."""

    problem: Problem
    agents: tuple[AgentId, ...]

    @property
    def home(self) -> Ints:
        return self.problem.home


@dataclass(frozen=True, slots=True)
class Row:
    """An agent of a problem: its spec, what it needs (R,), its node or `NOWHERE`."""

    agent: AgentId
    spec: str
    need: Floats
    node: int
    may_move: bool


def pose(board: Board, *, movable: Callable[[AgentId], bool]) -> Posed:
    """The agents of a board, each copy in a row of its own; one with several copies stays."""
    rows = [
        Row(agent, r.spec_name, r.need, node, len(r.nodes) == 1 and movable(agent))
        for agent, r in board.residents.items()
        for node in r.nodes
    ]
    groups = Groups.of(board)
    social = social_rules(board, groups)
    return _posed(board, rows, groups, social)


def pose_anew(board: Board, rows: Sequence[Row]) -> tuple[Posed, Mapping[tuple[str, int], str]]:
    """These agents for a board that has none, and its rules between them in words. Rules that
    cannot be said so are left out."""
    groups = Groups.of(board, [(row.agent, row.spec) for row in rows])
    social = social_rules(board, groups, lenient=True)
    social.fixed.clear()
    return _posed(board, rows, groups, social), social.said


def _posed(board: Board, rows: Sequence[Row], groups: Groups, social: Social) -> Posed:
    group = [groups.number(row.agent, row.spec) for row in rows]
    free = np.array([row.may_move for row in rows], np.bool_) & ~np.isin(group, social.fixed)
    needs = np.array([row.need for row in rows]).reshape(-1, len(board.resources))
    known = np.isfinite(board.capacity)
    eligible, preference = _by_spec(board, groups, social)
    of_spec = np.array([groups.specs.index(spec) for spec, _ in groups.keys], np.int64)
    return Posed(
        describe(
            np.where(known, board.capacity, np.inf),
            needs,
            group=np.array(group, np.int64),
            home=np.array([row.node for row in rows], np.int64),
            movable=free,
            partitions=social.partitions,
            apart=social.apart,
            together=social.together,
            spread=social.spread,
            skew=social.skew,
            pulls=social.pulls,
            eligible=eligible,
            eligible_row=of_spec,
            preference=preference,
            preference_row=of_spec,
        ),
        tuple(row.agent for row in rows),
    )


def _by_spec(board: Board, groups: Groups, social: Social) -> tuple[Bools, Floats]:
    """Where agents of each spec may be (S, N), and what they miss there."""
    shape = (len(groups.specs), len(board.names))
    eligible, preference = np.zeros(shape, np.bool_), np.zeros(shape)
    for number, name in enumerate(groups.specs):
        spec = board.fleet.agents.get(name)
        if spec is not None:
            eligible[number] = _takes(spec, board) & social.labelled(name)
            preference[number] = WISH * _misses(spec, board) + FORBIDDEN * ~_welcome(spec, board)
    return eligible, preference


def _takes(spec: AgentSpec, board: Board) -> Bools:
    """The nodes that take agents of the spec, by all that the moves of agents do not change."""
    agent, need = Agent(spec, 0), board.need(spec)
    takes = board.lasting(spec) & np.isfinite(board.capacity[:, need > 0]).all(axis=1)
    for _, cap in caps_of(agent, board):
        if cap.weight is not None:
            continue
        column = board.column(cap.resource)
        if column is not None and need[column]:
            limit = cap.ratio * board.total[:, column]
            takes &= board.promised[:, column] + need[column] <= limit * (1 + 1e-9)
        if cap.resource in UTILISATION:
            used = board.measured(UTILISATION[cap.resource])
            told = column is not None and np.isfinite(board.total[:, column])
            takes &= (used <= cap.ratio + 1e-9) | (np.isnan(used) & told)
    return takes


def _welcome(spec: AgentSpec, board: Board) -> Bools:
    """The nodes where no rule of the spec forbids its agents to be, whatever goes on there now."""
    found = np.ones(len(board.names), np.bool_)
    for rule in (ASSIGNED, SELECTOR, TAINTS):
        mask = rule.mask(Agent(spec, 0), board, EVERYWHERE)
        if mask is not None:
            found &= mask
    return found


def _misses(spec: AgentSpec, board: Board) -> Floats:
    """The weight of what the spec wishes for and does not find, by node."""
    missed = np.zeros(len(board.names))
    for wanted in rules_of(spec).selector:
        if wanted.weight is not None:
            missed += wanted.weight * ~meets(wanted, board)
    untainted = free_of(Agent(spec, 0), board, Effect.AVOID)
    return missed if untainted is None else missed + ~untainted
