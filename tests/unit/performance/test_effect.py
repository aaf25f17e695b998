"""What a change did: canaries against the others, after it against before it."""

from __future__ import annotations

import numpy as np
import pytest

from phoenixctl.performance.effect import Course, can_tell, detectable, effect
from tests.unit.performance.trials import trial


def steady(canaries: float, others: float) -> Course:
    """Four canaries of twelve nodes, each steady at its own level, times this after the change."""
    level = np.linspace(0.02, 0.08, 12)
    canary = np.arange(12) % 3 == 0
    before = np.tile(level, (10, 1))
    after = np.tile(level * np.where(canary, canaries, others), (5, 1))
    return Course(before, after, canary, planned=5)


def test_the_effect_is_what_canaries_changed_by_beyond_the_others() -> None:
    found = effect(steady(1.5, 1.2), seed=1)
    assert found is not None
    assert found.ratio == pytest.approx(1.5 / 1.2 - 1)
    assert (found.canaries, found.controls) == (4, 8)


def test_a_rise_of_the_whole_fleet_is_no_effect() -> None:
    found = effect(steady(2.0, 2.0), seed=1)
    assert found is not None
    assert found.ratio == pytest.approx(0.0)
    assert not found.harmful
    assert not found.useful


def test_chance_is_counted_over_all_ways_to_draw_the_canaries() -> None:
    # No other four of the twelve show as much: 1 of 495.
    found = effect(steady(1.5, 1.0), seed=1)
    assert found is not None
    assert found.worse == pytest.approx(1 / 495)
    assert found.better == 1.0


def test_a_rise_is_harmful_and_a_fall_useful() -> None:
    rng = np.random.default_rng(5)
    worse, better = (effect(trial(rng, rise=r), seed=1) for r in (0.4, -0.3))
    assert worse is not None
    assert better is not None
    assert (worse.harmful, worse.useful) == (True, False)
    assert (better.harmful, better.useful) == (False, True)


def test_the_interval_holds_the_true_effect_nearly_always() -> None:
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(60):
        found = effect(trial(rng, rise=0.1), seed=1)
        assert found is not None
        held += found.low <= 0.1 <= found.high
    assert held >= 49  # of 55 to be expected; fewer would be chance once in 150


def test_looking_at_each_minute_does_not_take_more_harmless_changes_for_harmful() -> None:
    rng = np.random.default_rng(3)
    taken = 0
    for _ in range(200):
        whole = trial(rng)
        looks = (
            Course(whole.before, whole.after[: look + 1], whole.canary, planned=5)
            for look in range(5)
        )
        taken += any(found.harmful for one in looks if (found := effect(one, seed=1)) is not None)
    assert taken <= 15  # 4 of 100 are allowed: more than 15 of 200 would be chance once in 100


def test_a_large_rise_is_found_before_the_trial_is_over() -> None:
    whole = trial(np.random.default_rng(8), rise=1.5)
    early = Course(whole.before, whole.after[:3], whole.canary, planned=5)
    found = effect(early, seed=1)
    assert found is not None
    assert found.harmful


def test_a_node_that_does_not_report_is_left_out() -> None:
    whole = trial(np.random.default_rng(8), rise=0.5)
    after = whole.after.copy()
    after[1:, np.flatnonzero(whole.canary)[0]] = np.nan
    after[1:, np.flatnonzero(~whole.canary)[0]] = np.nan
    found = effect(Course(whole.before, after, whole.canary, planned=5), seed=1)
    assert found is not None
    assert (found.canaries, found.controls) == (4, 14)


@pytest.mark.parametrize(("canaries", "nodes"), [(0, 20), (1, 10), (20, 20)])
def test_too_few_nodes_tell_nothing(canaries: int, nodes: int) -> None:
    assert effect(trial(np.random.default_rng(1), nodes=nodes, canaries=canaries), seed=1) is None
    assert not can_tell(canaries, nodes - canaries)


def test_draws_of_a_large_fleet_are_the_same_for_the_same_seed() -> None:
    whole = trial(np.random.default_rng(2), nodes=60, canaries=10, rise=0.05)
    assert effect(whole, seed=4) == effect(whole, seed=4)


def test_more_canaries_find_smaller_effects() -> None:
    before = trial(np.random.default_rng(2), nodes=40).before
    five, ten = (detectable(before, canaries, planned=5) for canaries in (5, 10))
    assert five is not None
    assert ten is not None
    assert 0.01 < ten < five < 0.5


def test_what_is_told_to_be_detectable_is_found() -> None:
    rng = np.random.default_rng(21)
    found = 0
    for _ in range(40):
        least = detectable(trial(rng).before, 5, planned=5)
        assert least is not None
        seen = effect(trial(rng, rise=0.16), seed=1)
        found += seen is not None and seen.harmful
    assert found >= 32


def test_a_short_time_before_tells_no_detectable_effect() -> None:
    assert detectable(trial(np.random.default_rng(2)).before[:8], 5, planned=5) is None


def test_there_are_no_more_looks_than_planned() -> None:
    values = np.ones((3, 4))
    with pytest.raises(ValueError, match="no more than planned"):
        Course(values, values, np.array([True, True, False, False]), planned=2)
