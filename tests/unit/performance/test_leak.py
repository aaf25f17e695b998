"""Memory that only ever grows, told apart from caches, loads and restarts."""

from __future__ import annotations

import numpy as np
import pytest

from phoenixctl.performance.leak import leak

MiB = 1024.0**2
TIMES = np.arange(0.0, 6 * 3600, 60.0)
RNG = np.random.default_rng(4)


def requests() -> np.ndarray:
    """What requests hold for a moment, on top of what stays."""
    return RNG.gamma(2.0, 10 * MiB, TIMES.size)


def test_a_leak_is_found_with_its_rate_and_its_end() -> None:
    found = leak(TIMES, 200 * MiB + TIMES * MiB / 60 + requests(), limit=1024 * MiB)
    assert found is not None
    assert found.per_second == pytest.approx(MiB / 60, rel=0.1)
    assert found.confidence > 0.95
    # About 570 MiB are in use at the end, at one a minute.
    assert found.exhausted_in_seconds == pytest.approx(450 * 60, rel=0.15)


def test_without_a_limit_there_is_no_end() -> None:
    found = leak(TIMES, 200 * MiB + TIMES * MiB / 60)
    assert found is not None
    assert found.exhausted_in_seconds is None


def test_what_is_given_back_is_no_leak() -> None:
    assert leak(TIMES, 200 * MiB + 4 * requests()) is None


def test_a_cache_that_fills_and_then_stays_is_no_leak() -> None:
    full = 200 * MiB + 300 * MiB * (1 - np.exp(-TIMES / 2400))
    assert leak(TIMES, full + requests()) is None


def test_a_load_that_rises_and_falls_is_no_leak() -> None:
    day = 200 * MiB * (1 + np.sin(TIMES / TIMES[-1] * np.pi))
    assert leak(TIMES, day + requests()) is None


def test_a_restart_begins_anew() -> None:
    grown = np.where(TIMES < 3 * 3600, TIMES, TIMES - 3 * 3600) * MiB / 30
    found = leak(TIMES, 50 * MiB + grown, limit=1000 * MiB)
    assert found is not None
    assert found.per_second == pytest.approx(MiB / 30, rel=0.05)
    just_started = np.where(TIMES < 5.9 * 3600, 500.0 * MiB, 50.0 * MiB)
    assert leak(TIMES, just_started) is None


def test_a_growth_too_small_to_matter_is_none() -> None:
    assert leak(TIMES, 200 * MiB + TIMES * MiB / 36_000) is None


def test_unknown_values_are_left_out() -> None:
    used = 200 * MiB + TIMES * MiB / 60
    used[::3] = np.nan
    assert leak(TIMES, used) is not None
    assert leak(TIMES, np.full(TIMES.size, np.nan)) is None
