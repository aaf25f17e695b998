"""Waves: whatever part of one is done, in whatever order, nothing is broken further."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings

from phoenixctl.placement.rebalance.curve import follow
from phoenixctl.placement.rebalance.descent import search
from phoenixctl.placement.rebalance.hops import Hop
from phoenixctl.placement.rebalance.waves import Budgets, in_waves
from phoenixctl.placement.solver.evaluate import breaches, load
from phoenixctl.placement.solver.problem import Apart, Problem, Skew, Spread, Together
from tests.unit.placement.rebalance.fleets import Situation, row, situations

FREELY = Budgets(np.zeros(99, np.int64), [99])


def parts(wave: Sequence[Hop]) -> Iterator[tuple[Hop, ...]]:
    sizes = range(len(wave) + 1) if len(wave) < 7 else (0, 1, len(wave) - 1, len(wave))
    return chain.from_iterable(combinations(wave, size) for size in sizes)


@settings(max_examples=60, deadline=None)
@given(situations())
def test_no_part_of_a_wave_breaks_anything_further(situation: Situation) -> None:
    problem, at = situation.aim.problem, situation.at
    hops = search(situation.aim, at, most_hops=situation.most_hops, seed=3, iterations=3).hops
    waves = in_waves(problem, at, hops, situation.budgets)
    assert sorted(hops) == sorted(hop for wave in waves for hop in wave)
    end = follow(at, hops)
    for wave in waves:
        kinds = np.bincount(situation.budgets.kind[[hop.agent for hop in wave]], minlength=4)
        assert (kinds <= situation.budgets.most).all()
        used, worst = load(problem, at), breaches(problem, at)
        more = np.zeros_like(used)
        for hop in wave:  # all of them under way: each is on both of its nodes
            more[hop.target] += problem.need[hop.agent]
        assert (more <= np.maximum(problem.capacity - used, 0) + 1e-9).all()
        for part in parts(wave):
            now = breaches(problem, follow(at, part))
            assert not now.worse_than(worst), part
        at = follow(at, wave)
    assert (at == end).all()


def test_what_needs_room_that_another_one_leaves_comes_later() -> None:
    problem = row(1, 1, 0, room=1)
    assert in_waves(problem, problem.home, [Hop(1, 1, 2), Hop(0, 0, 1)], FREELY) == (
        (Hop(1, 1, 2),),
        (Hop(0, 0, 1),),
    )


def test_hops_that_have_nothing_to_do_with_each_other_are_one_wave() -> None:
    problem = row(2, 2, 0, 0)
    hops = [Hop(0, 0, 2), Hop(2, 1, 3)]
    assert in_waves(problem, problem.home, hops, FREELY) == (tuple(hops),)


def test_no_more_of_a_kind_are_under_way_than_may_be() -> None:
    problem = row(3, 0)
    hops = [Hop(agent, 0, 1) for agent in range(3)]
    waves = in_waves(problem, problem.home, hops, Budgets(np.zeros(3, np.int64), [2]))
    assert [len(wave) for wave in waves] == [2, 1]


ZONES = (np.arange(4), np.array([0, 1, 1, 2]))


@pytest.mark.parametrize(
    "problem",
    [
        replace(row(1, 1, 0, 0), partitions=ZONES, apart=(Apart((0,), (0,), 1),)),
        replace(row(1, 1, 0, 0), partitions=ZONES, spread=(Spread((0,), 1, 2),)),
        replace(row(1, 1, 0, 0), partitions=ZONES, skew=(Skew((0,), 1),)),
    ],
    ids=["apart", "spread", "skew"],
)
def test_who_goes_where_another_one_was_waits_until_it_has_left(problem: Problem) -> None:
    hops = [Hop(1, 1, 3), Hop(0, 0, 2)]
    assert in_waves(problem, problem.home, hops, FREELY) == ((hops[0],), (hops[1],))


def test_who_leaves_another_one_alone_waits_until_that_has_company() -> None:
    problem = replace(
        row(2, 3, 0, 0), partitions=ZONES, together=(Together((0,), (0,), partition=1),)
    )
    hops = [Hop(2, 1, 0), Hop(0, 0, 1)]
    assert in_waves(problem, problem.home, hops, FREELY) == ((hops[0],), (hops[1],))
