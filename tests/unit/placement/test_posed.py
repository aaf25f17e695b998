"""A board as a problem: who is who, what is needed, which rules hold between groups."""

from __future__ import annotations

import numpy as np

from phoenixctl.model.names import AgentId
from phoenixctl.model.rules import (
    Affinity,
    AgentSelector,
    Redundancy,
    Rules,
    Spread,
    Taint,
)
from phoenixctl.placement.board import Board
from phoenixctl.placement.posed import Posed, pose
from phoenixctl.placement.solver.problem import NODES, Apart, Skew, Together
from phoenixctl.placement.solver.problem import Spread as Domains
from tests.builders import GiB, agent, fleet, node, seen, silent, snapshot, spec

A, B, C = (node(name, labels={"zone": zone}) for name, zone in (("a", "x"), ("b", "y"), ("c", "y")))
DB = AgentSelector(specs=("db",))


def posed(web_rules: Rules | None = None) -> Posed:
    """web-0 and web-1 on a, db-0 on b; c is empty."""
    kinds = [spec("web", replicas=2, cpu=1.0, memory=GiB(1), rules=web_rules), spec("db")]
    looks = snapshot(seen("a", agent("web-0"), agent("web-1")), seen("b", agent("db-0")), seen("c"))
    return pose(Board.of(fleet(A, B, C, agents=kinds), looks), movable=lambda _: True)


def test_each_agent_is_a_row_with_its_needs_and_its_node() -> None:
    found = posed()
    assert found.agents == ("web-0", "web-1", "db-0")
    assert found.home.tolist() == [0, 0, 1]
    assert found.problem.need.tolist() == [[1.0, GiB(1)], [1.0, GiB(1)], [0.0, 0.0]]
    assert found.problem.capacity[0].tolist() == [4.0, GiB(8)]
    assert found.problem.group.tolist() == [0, 0, 1]


def test_rules_between_specs_are_rules_between_groups() -> None:
    far = posed(Rules(anti_affinity=(Affinity(DB, within="zone"),))).problem
    assert far.apart == (Apart((0,), (1,), NODES + 1),)
    assert far.partitions[1].tolist() == [0, 1, 1]
    near = posed(Rules(affinity=(Affinity(DB),))).problem
    assert near.together == (Together((0,), (1,), NODES),)
    wide = posed(Rules(spread=(Spread("zone", 2),), redundancy=(Redundancy("zone", 3),))).problem
    assert wide.skew == (Skew((0,), NODES + 1, 2),)
    assert wide.spread == (Domains((0,), NODES + 1, at_least=2),)  # there are two replicas


def test_an_agent_that_a_rule_names_is_a_group_of_its_own() -> None:
    one = AgentSelector(ids=(AgentId("web-1"),))
    problem = posed(Rules(anti_affinity=(Affinity(one),))).problem
    assert len(set(problem.group.tolist())) == 3
    assert len(problem.apart) == 1
    assert problem.apart[0].others == (problem.group[1],)


def test_soft_rules_are_pulls_and_bar_nothing() -> None:
    problem = posed(
        Rules(affinity=(Affinity(DB, weight=1.0),), anti_affinity=(Affinity(DB, weight=2.0),))
    ).problem
    assert not problem.apart
    assert not problem.together
    assert sorted(np.sign(pull.cost) for pull in problem.pulls) == [-1.0, 1.0]


def test_agents_whose_rule_has_no_words_in_arrays_stay() -> None:
    either = AgentSelector(labels={})  # themselves, and others
    assert not posed(Rules(affinity=(Affinity(either),))).problem.movable.any()


def test_nodes_are_open_to_whom_their_filters_let_in() -> None:
    tainted = node("t", taints=(Taint("gpu"),))
    f = fleet(A, B, C, tainted, agents=[spec("web", memory=GiB(1))])
    looks = snapshot(
        seen("a", agent("web-0")), seen("b", cordoned="by hand"), silent("c"), seen("t")
    )
    problem = pose(Board.of(f, looks), movable=lambda _: True).problem
    assert problem.eligible[problem.eligible_row[0]].tolist() == [True, False, False, False]


def test_a_node_of_which_nobody_knows_what_it_has_takes_none_that_ask() -> None:
    f = fleet(A, B, agents=[spec("web", memory=GiB(1)), spec("db")])
    looks = snapshot(seen("a", agent("web-0"), agent("db-0")), seen("b", memory=None))
    problem = pose(Board.of(f, looks), movable=lambda _: True).problem
    rows = problem.eligible[problem.eligible_row[problem.group]]
    assert rows.tolist() == [[True, False], [True, True]]


def test_an_agent_that_is_twice_there_stays_on_both() -> None:
    f = fleet(A, B, agents=[spec("web")])
    looks = snapshot(seen("a", agent("web-0")), seen("b", agent("web-0")))
    found = pose(Board.of(f, looks), movable=lambda _: True)
    assert found.agents == ("web-0", "web-0")
    assert found.home.tolist() == [0, 1]
    assert not found.problem.movable.any()


def test_only_who_may_move_may() -> None:
    f = fleet(A, B, agents=[spec("web", replicas=2)])
    looks = snapshot(seen("a", agent("web-0"), agent("web-1")), seen("b"))
    found = pose(Board.of(f, looks), movable=lambda agent: agent == "web-1")
    assert found.problem.movable.tolist() == [False, True]
