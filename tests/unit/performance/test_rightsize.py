"""What an agent should ask for, from what it used."""

from __future__ import annotations

import numpy as np
import pytest

from phoenixctl.performance.rightsize import (
    CPU,
    DAY_SECONDS,
    MEMORY,
    Manner,
    Sizing,
    advise,
    weighted_percentile,
)

MINUTES = 5
A_DAY = int(DAY_SECONDS / 60 / MINUTES)


def times(days: float) -> np.ndarray:
    return np.arange(int(days * A_DAY)) * 60.0 * MINUTES


def replicas(*columns: np.ndarray) -> np.ndarray:
    return np.stack(columns, axis=1)


def test_a_steady_use_asks_for_itself_and_the_margin() -> None:
    at = times(2)
    found = advise(at, replicas(np.full(at.size, 0.4)), CPU)
    assert found is not None
    assert found.request == pytest.approx(0.4 * 1.15)
    assert (found.usual, found.peak, found.above) == (0.4, 0.4, 0.0)


def test_short_peaks_of_cpu_are_not_asked_for_and_those_of_memory_are() -> None:
    at = times(3)
    used = np.full(at.size, 1.0)
    used[::50] = 4.0  # 2 % of the time
    cpu, memory = advise(at, replicas(used), CPU), advise(at, replicas(used), MEMORY)
    assert cpu is not None
    assert memory is not None
    assert cpu.usual == 1.0
    assert cpu.above == pytest.approx(0.02, abs=0.002)
    assert memory.usual == 4.0
    assert memory.above == 0.0


def test_the_past_counts_half_after_a_day() -> None:
    # Three days at 2, then one at 1: of the weight 8/15 is the last day's.
    at = times(4)
    used = np.where(at < 3 * DAY_SECONDS, 2.0, 1.0)
    lower, upper = (
        advise(at, replicas(used), Manner(Sizing.PERCENTILE, percentile=p, margin=0.0))
        for p in (52.0, 55.0)
    )
    assert lower is not None
    assert upper is not None
    assert (lower.usual, upper.usual) == (1.0, 2.0)


def test_the_replica_that_needs_most_decides() -> None:
    at = times(2)
    found = advise(at, replicas(np.full(at.size, 0.2), np.full(at.size, 0.9)), CPU)
    assert found is not None
    assert found.usual == 0.9


def test_growth_is_above_the_advice_of_the_day_before() -> None:
    at = times(3)
    found = advise(at, replicas(2.0 ** (at / DAY_SECONDS)), CPU)
    assert found is not None
    assert found.above is not None
    assert found.above > 0.5


def test_unknown_values_are_left_out() -> None:
    at = times(2)
    used = np.full(at.size, 0.4)
    used[::2] = np.nan
    found = advise(at, replicas(used, np.full(at.size, np.nan)), CPU)
    assert found is not None
    assert found.usual == 0.4


def test_a_short_past_gives_no_advice_and_one_day_no_share_above() -> None:
    at = times(0.05)
    assert advise(at, replicas(np.ones(at.size)), CPU) is None
    at = times(0.9)
    found = advise(at, replicas(np.ones(at.size)), MEMORY)
    assert found is not None
    assert found.above is None


def test_no_advice_is_below_the_least() -> None:
    at = times(1)
    found = advise(at, replicas(np.full(at.size, 0.001)), CPU, least=0.05)
    assert found is not None
    assert found.request == 0.05


@pytest.mark.parametrize(
    ("percentile", "wanted"), [(1.0, 1.0), (50.0, 1.0), (51.0, 2.0), (75.0, 2.0), (100.0, 3.0)]
)
def test_a_weighted_percentile_counts_weight(percentile: float, wanted: float) -> None:
    found = weighted_percentile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0]), percentile)
    assert found == wanted
