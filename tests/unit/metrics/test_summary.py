"""A window in a few numbers."""

from __future__ import annotations

import numpy as np
import pytest

from phoenixctl.metrics.series import History
from phoenixctl.metrics.summary import largest, summaries
from phoenixctl.metrics.trend import Direction

NAN = float("nan")


def history(*columns: list[float], every: float = 10.0) -> History:
    values = np.array(columns, np.float32).T
    names = tuple("abcdef"[: len(columns)])
    return History(np.arange(len(values)) * every, names, values)


def test_a_group_is_all_values_of_its_subjects() -> None:
    (found,) = summaries(history([1, 2, 3], [4, NAN, 6]), {"g": (0, 1)})
    assert (found.subjects, found.count) == (2, 5)
    assert (found.low, found.mean, found.high) == (1, pytest.approx(3.2), 6)
    assert found.percentiles == {50: 3, 95: 6, 99: 6}
    assert found.total == pytest.approx((5 + 2 + 9) / 3)
    assert found.rate is None
    assert found.good is None


def test_what_was_never_known_has_no_number() -> None:
    (found,) = summaries(history([NAN, NAN]), {"g": (0,)})
    assert (found.count, found.low, found.mean, found.total, found.trend) == (0, *[None] * 4)


def test_a_counter_is_judged_by_its_rates_and_a_reset_is_no_fall() -> None:
    (found,) = summaries(history([0, 10, 5, 25]), {"g": (0,)}, counter=True)
    assert (found.low, found.high) == (0.5, 2.0)
    assert found.rate == pytest.approx((10 + 5 + 20) / 30)


def test_the_rates_of_a_group_add_up() -> None:
    (found,) = summaries(history([0, 10], [0, 30], [NAN, NAN]), {"g": (0, 1, 2)}, counter=True)
    assert found.rate == pytest.approx(4.0)


def test_the_share_of_time_that_was_good() -> None:
    (found,) = summaries(history([1, 1, 0, 1]), {"g": (0,)}, good_until=40.0)
    assert found.good == pytest.approx(0.75)


def test_a_rising_group_rises() -> None:
    rising = [float(n) for n in range(30)]
    (found,) = summaries(history(rising, rising), {"g": (0, 1)})
    assert found.trend is not None
    assert found.trend.direction is Direction.RISING
    assert found.trend.slope == pytest.approx(0.1)


def test_the_largest_come_first_and_ties_by_name() -> None:
    found = summaries(
        history([1, 1], [5, 5], [5, 5], [NAN, NAN]), {"a": (0,), "c": (1,), "b": (2,), "d": (3,)}
    )
    assert [summary.name for summary in largest(found, 2)] == ["b", "c"]
    assert [summary.name for summary in largest(found, 9)] == ["b", "c", "a"]
