"""How one peer slows down under load, learned from what was measured."""

from __future__ import annotations

from random import Random

import pytest

from phoenixctl.balancing.curve import NOTHING_LEARNED, SLOWEST_SECONDS, Curve


def learned(*points: tuple[float, float]) -> Curve:
    curve = NOTHING_LEARNED
    for load, seconds in points:
        curve = curve.learned(load, seconds)
    return curve


def queue(load: float, *, capacity: float = 100.0, idle: float = 0.01) -> float:
    return idle / (1 - load / capacity)


def test_the_curve_of_a_queue_is_found_and_goes_beyond_what_was_seen() -> None:
    curve = learned(*((load, queue(load)) for load in (10, 30, 50, 60)))
    assert curve.response_seconds(80) == pytest.approx(queue(80), rel=1e-6)


def test_noise_is_averaged() -> None:
    rng = Random(3)
    points = [
        (load := rng.uniform(5, 60), queue(load) * rng.uniform(0.8, 1.25)) for _ in range(200)
    ]
    assert learned(*points).response_seconds(70) == pytest.approx(queue(70), rel=0.25)


def test_at_its_capacity_a_peer_is_as_slow_as_can_be() -> None:
    curve = learned(*((load, queue(load)) for load in (10, 50)))
    assert curve.response_seconds(150) == SLOWEST_SECONDS


def test_more_load_never_makes_it_faster() -> None:
    curve = learned((10, 0.02), (50, 0.01))
    assert curve.response_seconds(90) >= curve.response_seconds(20)


def test_of_one_load_alone_the_response_is_the_mean() -> None:
    assert learned((10, 0.02), (10, 0.02)).response_seconds(90) == pytest.approx(0.02)


def test_nothing_learned_is_the_slowest() -> None:
    assert learned((0, 0.1), (10, 0)).response_seconds(5) == SLOWEST_SECONDS
