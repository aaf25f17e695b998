"""A window in a few numbers."""

from __future__ import annotations

import numpy as np
import pytest

from phoenixctl.metrics.histogram import ERROR
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rollup import RollUps, rolled_up
from phoenixctl.metrics.series import History
from phoenixctl.metrics.summary import largest, rolled_summaries, summaries
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
    both = history([1, 1, 0, 1], [0, 1, 1, 1], [NAN] * 4)
    one, all_of_them = summaries(both, {"a": (0,), "g": (0, 1, 2)}, good_until=40.0)
    assert (one.good, one.serial) == (0.75, 0.75)
    assert all_of_them.good == pytest.approx(0.75)
    assert all_of_them.serial == pytest.approx(0.75 * 0.75)  # if all of them are needed
    rough = rolled_summaries(rolled(both, Kind.GAUGE), {"g": (0, 1, 2)}, seconds=40.0, good=True)
    assert rough[0].good == pytest.approx(0.75)
    assert rough[0].serial == pytest.approx(0.75 * 0.75)
    unseen = summaries(both, {"c": (2,)}, good_until=40.0)
    assert (unseen[0].good, unseen[0].serial) == (None, None)


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


def rolled(found: History, kind: Kind) -> RollUps:
    """What a store makes of it: a digest for each minute."""
    minutes = np.unique(found.times // 60 * 60)
    made = []
    for start in minutes:
        until = found.times < start + 60
        part = History(found.times[until], found.subjects, found.values[until])
        bucket = rolled_up(part, kind, start=start)
        assert bucket is not None
        made.append(bucket.digests)
    return RollUps(minutes, 60, found.subjects, tuple(made))


def test_roll_ups_give_the_same_as_all_values_within_their_error() -> None:
    rng = np.random.default_rng(7)
    values = [rng.lognormal(0, 1, 60).tolist() for _ in range(3)]
    found, groups = history(*values), {"ab": (0, 1), "c": (2,)}
    exact = summaries(found, groups)
    rough = rolled_summaries(rolled(found, Kind.GAUGE), groups, seconds=600.0)
    for one, other in zip(exact, rough, strict=True):
        assert (other.name, other.subjects, other.count) == (one.name, one.subjects, one.count)
        assert (other.low, other.high) == (one.low, one.high)
        assert other.mean == pytest.approx(one.mean)
        assert other.total == pytest.approx(one.total)
        for number, value in one.percentiles.items():
            assert other.percentiles[number] == pytest.approx(value, rel=ERROR * 1.01)


def test_a_counter_grows_in_roll_ups_as_it_did() -> None:
    totals = [float(n * n % 1700) for n in range(60)]  # begins anew now and then
    found = history(totals, [0.0] * 60)
    (exact,) = summaries(found, {"g": (0, 1)}, counter=True)
    (rough,) = rolled_summaries(
        rolled(found, Kind.COUNTER), {"g": (0, 1)}, seconds=590.0, counter=True
    )
    assert rough.rate == pytest.approx(exact.rate)
    assert (rough.low, rough.high) == (exact.low, exact.high)
    assert rough.mean is not None
    assert rough.rate == pytest.approx(2 * rough.mean)  # of two subjects


def test_without_roll_ups_nothing_is_known() -> None:
    nothing = RollUps(np.array([]), 60, ("a",), ())
    (found,) = rolled_summaries(nothing, {"a": (0,)}, seconds=60, good=True)
    assert (found.count, found.low, found.mean, found.good, found.trend) == (0, *[None] * 4)
