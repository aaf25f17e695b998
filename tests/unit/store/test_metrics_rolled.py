"""Whatever is written, in whatever order: roll-ups tell what the values themselves do."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.metrics.histogram import ERROR
from phoenixctl.metrics.kinds import Kind
from phoenixctl.metrics.rollup import GAP_SECONDS
from phoenixctl.metrics.series import Batch, Tier
from phoenixctl.metrics.windows import statistics
from phoenixctl.store.metrics import SqliteMetrics

HOUR = 1_800_000_000
SUBJECTS = ("a", "b", "c")
COARSE = [tier for tier in Tier if tier is not Tier.SECOND]


@dataclass(frozen=True)
class Written:
    """A value of each of some subjects at a second of the hour; then perhaps a roll-up."""

    second: int
    values: dict[str, float]
    rolled: bool


WRITTEN = st.builds(
    Written,
    second=st.integers(0, 3599),
    # Whole numbers, so that sums are the same in any order.
    values=st.dictionaries(
        st.sampled_from(SUBJECTS), st.integers(-1000, 100_000).map(float), min_size=1
    ),
    rolled=st.booleans(),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(WRITTEN, max_size=25), st.integers(0, 3))
def test_roll_ups_tell_what_the_values_do(written: list[Written], hours: int) -> None:
    with tempfile.TemporaryDirectory() as folder, SqliteMetrics(Path(folder)) as store:
        for one in written:
            values = np.array(list(one.values.values()), np.float32)
            store.write(Batch(HOUR + one.second, tuple(one.values), {"m": values}))
            if one.rolled:
                store.rollup(now=HOUR + 7200)
        store.rollup(now=HOUR + 3600 * hours)
        raw = store.read("m", start=HOUR, until=HOUR + 3600)
        for tier in COARSE:
            found = store.digests("m", start=HOUR, until=HOUR + 3600, tier=tier)
            starts = raw.times - raw.times % tier.resolution_seconds
            assert found.times.tolist() == sorted(set(starts.tolist()))
            for number, start in enumerate(found.times):
                exact = statistics(
                    in_order_of(found.subjects, raw.subjects, raw.values[starts == start])
                )
                np.testing.assert_array_equal(found.count[number], exact.count)
                np.testing.assert_array_equal(found.total[number], np.nan_to_num(exact.total))
                np.testing.assert_array_equal(found.digests[number].low, exact.low)
                np.testing.assert_array_equal(found.digests[number].high, exact.high)
                for percentile, values in exact.percentiles.items():
                    np.testing.assert_allclose(
                        found.digests[number].percentile(percentile), values, rtol=ERROR * 1.001
                    )


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(st.integers(0, 900), st.integers(0, 1000), min_size=2, max_size=12),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_a_counter_grew_by_as_much_in_each_tier(
    grown: dict[int, int], random: Random, between: bool
) -> None:
    """Written each some ten seconds, in any order, with a roll-up in between or not."""
    order = sorted(grown)
    totals = dict(zip(order, np.cumsum([grown[at] for at in order]).tolist(), strict=True))
    random.shuffle(order)
    with tempfile.TemporaryDirectory() as folder, SqliteMetrics(Path(folder)) as store:
        for number, at in enumerate(order):
            batch = Batch(
                HOUR + 10 * at, ("a",), {"m": np.array([totals[at]])}, {"m": Kind.COUNTER}
            )
            store.write(batch)
            if between and number == len(order) // 2:
                store.rollup(now=HOUR + 7200)
        # Of each minute it is known from what the values of the hour before it have grown.
        minutes = {at: 10 * at // 60 * 60 for at in grown}
        known = [b for a, b in pairwise(sorted(grown)) if 10 * a >= minutes[b] - GAP_SECONDS]
        for rolled in (False, True):
            if rolled:
                store.rollup(now=HOUR + 14_400)
            sums = {
                store.digests("m", start=HOUR, until=HOUR + 10_800, tier=tier).total.sum()
                for tier in COARSE
            }
            assert sums == {sum(grown[at] for at in known)}


def in_order_of(
    wanted: tuple[str, ...], given_order: tuple[str, ...], values: np.ndarray
) -> np.ndarray:
    """A column for each wanted subject, unknown where there is none."""
    column = {subject: values[:, number] for number, subject in enumerate(given_order)}
    nothing = np.full(len(values), np.nan)
    return np.array([column.get(subject, nothing) for subject in wanted]).T
