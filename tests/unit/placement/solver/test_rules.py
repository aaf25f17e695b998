"""The hard rules one by one: what a state refuses, and what it lets pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from phoenixctl.placement.solver.figures import Figures
from phoenixctl.placement.solver.problem import (
    NOWHERE,
    Apart,
    Skew,
    Spread,
    Together,
    describe,
)
from phoenixctl.placement.solver.state import State

ZONE = 1


def placed(at: list[int], **rules: Any) -> State:
    """Six nodes, two in each of three zones, with room for everybody."""
    agents = np.zeros((len(at), 1))
    problem = describe(np.ones((6, 1)), agents, partitions=[[0, 0, 1, 1, 2, 2]], **rules)
    return State(Figures(problem), np.array(at))


def refused(state: State, *moves: tuple[int, int]) -> bool:
    return state.change(moves) is None


def test_agents_that_must_be_apart_may_change_places_but_not_meet() -> None:
    state = placed([0, 1, 2], group=[0, 0, 1], apart=[Apart((0,), (0, 1))])
    assert refused(state, (0, 1))
    assert refused(state, (2, 0))
    assert not refused(state, (0, 1), (1, 0))
    assert not refused(state, (2, 3))


def test_agents_that_meet_already_may_stay_and_part_but_no_other_one_may_come() -> None:
    state = placed([0, 0, 3], group=[0, 0, 0], apart=[Apart((0,), (0,))])
    assert refused(state, (2, 0))
    assert not refused(state, (0, 1))
    assert refused(state, (0, 0))


def test_apart_in_a_zone_counts_both_of_its_nodes() -> None:
    state = placed([0, 2], group=[0, 0], apart=[Apart((0,), (0,), ZONE)])
    assert refused(state, (1, 1))
    assert not refused(state, (0, 1))


def test_who_needs_another_one_goes_where_it_is_and_keeps_it_there() -> None:
    state = placed([0, 1, 4], group=[0, 1, 1], together=[Together((0,), (1,), ZONE)])
    assert refused(state, (0, 2))
    assert refused(state, (1, 2))  # the only one that agent 0 has in its zone
    assert not refused(state, (2, 0))
    assert not refused(state, (1, 2))
    assert not refused(state, (0, 2), (2, 3))


def test_the_first_of_those_that_stay_together_may_go_anywhere_and_the_others_follow() -> None:
    state = placed([NOWHERE, NOWHERE], group=[0, 0], together=[Together((0,), (0,), ZONE)])
    assert not refused(state, (0, 2))
    assert not refused(state, (0, 5))
    assert refused(state, (1, 2))
    assert not refused(state, (1, 4))


def test_who_needs_another_one_mutually_may_come_before_it() -> None:
    rule = Together((0,), (1,), ZONE, mutual=True)
    state = placed([NOWHERE, NOWHERE], group=[0, 1], together=[rule])
    assert not refused(state, (0, 2))
    assert refused(state, (1, 4))
    assert not refused(state, (1, 3))
    strict = Together((0,), (1,), ZONE)
    assert refused(placed([NOWHERE, NOWHERE], group=[0, 1], together=[strict]), (0, 2))


def test_a_spread_over_zones_is_kept_and_who_is_not_placed_yet_counts_as_one_more() -> None:
    state = placed([0, 2, NOWHERE], group=[0, 0, 0], spread=[Spread((0,), ZONE, 2)])
    assert not refused(state, (1, 1))  # the third may still go elsewhere
    assert refused(state, (2, 0))
    assert not refused(state, (2, 5))
    assert refused(state, (2, 1))
    assert not refused(state, (2, 3))


def test_a_spread_that_is_missed_may_only_get_wider() -> None:
    state = placed([0, 1, 2], group=[0, 0, 0], spread=[Spread((0,), ZONE, 3)])
    assert refused(state, (2, 0))
    assert not refused(state, (1, 4))
    assert refused(state, (1, 0))


def test_no_zone_gets_more_agents_than_the_emptiest_allows() -> None:
    state = placed([0, 2, 4, NOWHERE, NOWHERE], group=[0] * 5, skew=[Skew((0,), ZONE, 1)])
    assert not refused(state, (3, 1))
    assert refused(state, (4, 1))
    assert refused(state, (1, 4))
    assert not refused(state, (4, 3))


def test_a_skew_that_is_too_large_may_only_get_smaller_in_each_zone() -> None:
    state = placed([0, 0, 1, 1, 2, 3], group=[0] * 6, skew=[Skew((0,), ZONE, 1)])
    assert refused(state, (4, 1))
    assert not refused(state, (0, 4))
    assert refused(state, (0, 1))
    assert not refused(state, (1, 5))


def test_zones_without_a_node_for_the_agents_do_not_count_as_empty() -> None:
    here = {"eligible": [[True, True, True, True, False, False]]}
    state = placed([0, NOWHERE], group=[0, 0], skew=[Skew((0,), ZONE, 1)], **here)
    assert refused(state, (1, 1))
    assert refused(state, (1, 4))
    assert not refused(state, (1, 2))


def test_agents_go_only_to_nodes_that_take_them_but_may_stay_elsewhere() -> None:
    only = {"eligible": [[True, False, False, False, False, False]]}
    state = placed([3, NOWHERE], **only)
    assert refused(state, (1, 3))
    assert refused(state, (0, 4))
    assert not refused(state, (0, 0))
    assert refused(state, (0, 3))
