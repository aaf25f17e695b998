"""Strategies played request by request on the fleet that the facts were measured on, smaller."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from phoenixctl.balancing.simulate.run import Outcome, simulate
from phoenixctl.balancing.simulate.setting import (
    FAILING,
    WAYS,
    Happening,
    Machine,
    Setting,
    Way,
    under,
)
from phoenixctl.balancing.simulate.settling import settling
from phoenixctl.model.balancing import BalancingSettings, Formula, StrategyName

SPEEDS = [1.0] * 4 + [0.75] * 4 + [0.5] * 2
# Requests ten times as long as in the facts: the same queues with a tenth of the work.
SETTING = Setting(
    tuple(Machine(f"m{n}", speed) for n, speed in enumerate(SPEEDS)),
    service_seconds=0.1,
    timeout_seconds=20.0,
    round_seconds=10.0,
    warm_seconds=40.0,
)
BY_NAME = {way.name: way for way in (*WAYS, *FAILING)}
WEIGHTED = "least-connections + weights"


@cache
def outcome(name: str, load: float = 0.7) -> Outcome:
    settings = BalancingSettings()
    if BY_NAME[name].formula is Formula.SIMPLE:
        settings = replace(settings, formula=Formula.SIMPLE)
    return simulate(under(SETTING, load, 100), BY_NAME[name], settings, seed=2)


@pytest.mark.parametrize("name", [way.name for way in WAYS if way.name != "round-robin"])
def test_no_way_that_can_be_had_herds(name: str) -> None:
    found = outcome(name)
    assert found.errors == 0.0
    assert found.p99 < 3 * outcome(WEIGHTED).p99


@pytest.mark.parametrize("name", [way.name for way in FAILING if way.formula is None])
def test_the_best_of_what_was_polled_gets_everything_and_fails(name: str) -> None:
    assert outcome(name).errors > 0.2
    assert outcome(name).p95 == SETTING.timeout_seconds


def test_weights_make_least_connections_quicker() -> None:
    assert outcome(WEIGHTED).p99 <= outcome("least-connections").p99


def test_round_robin_overloads_the_slow() -> None:
    assert outcome("round-robin", 0.9).p99 > 5 * outcome(WEIGHTED, 0.9).p99


def test_the_same_seed_plays_the_same_and_all_ways_get_the_same_requests() -> None:
    setting = under(SETTING, 0.5, 50)
    first, again = (simulate(setting, WAYS[0], seed=5) for _ in range(2))
    assert (first.p99, first.weights.tolist()) == (again.p99, again.weights.tolist())
    assert simulate(setting, WAYS[1], seed=5).requests == first.requests


def test_a_machine_that_becomes_half_as_fast_gets_half_and_all_of_it_later() -> None:
    setting = replace(
        under(SETTING, 0.5, 300),
        machines=tuple(Machine(f"m{n}") for n in range(4)),
        happenings=(Happening(10.0, "m3", 0.5), Happening(150.0, "m3", 1.0)),
    )
    setting = replace(setting, rates=np.full(300, 80.0))
    weights = simulate(setting, BY_NAME[WEIGHTED], seed=1).weights
    assert weights[12][3] / weights[12][:3].mean() == pytest.approx(0.5, rel=0.1)
    assert weights[-1][3] / weights[-1][:3].mean() == pytest.approx(1.0, rel=0.1)


def test_a_machine_that_fails_at_once_does_not_draw_all_requests() -> None:
    setting = replace(
        under(SETTING, 0.5, 120),
        machines=tuple(Machine(f"m{n}") for n in range(5)),
        happenings=(Happening(0.0, "m4", 0.0),),
    )
    setting = replace(setting, rates=np.full(120, 80.0))
    plain, weighted = (
        simulate(setting, BY_NAME[name], seed=1)
        for name in ("least-connections", "weighted-round-robin")
    )
    # Who fails at once has nothing open, so that counting alone sends even more there.
    assert plain.errors > 0.2
    assert weighted.errors < 0.05


def test_weights_by_capacity_settle_and_simple_ones_do_not() -> None:
    settings = BalancingSettings()
    capacity = settling(Formula.CAPACITY, SPEEDS, 0.7, settings, seed=1)
    simple = settling(Formula.SIMPLE, SPEEDS, 0.9, settings, seed=1)
    assert capacity.settles
    assert capacity.words == "its weights settle"
    assert not simple.settles
    assert simple.words.startswith("its weights change by up to ")


def test_without_load_the_outcome_is_the_work_itself() -> None:
    one = replace(SETTING, machines=(Machine("a"), Machine("b")), warm_seconds=0.0)
    found = simulate(under(one, 0.02, 200), Way("rr", StrategyName.ROUND_ROBIN), seed=3)
    assert found.p50 == pytest.approx(0.1 * np.exp(-(0.8**2) / 2), rel=0.25)
