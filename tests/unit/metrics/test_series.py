"""Which tier answers a question about a range of time."""

from __future__ import annotations

import pytest

from phoenixctl.metrics.series import Tier, covering

NOW = 1_800_000_000.0
HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("since", "tier"),
    [
        (60, Tier.SECOND), (2 * HOUR, Tier.SECOND), (2 * HOUR + 1, Tier.MINUTE),
        (7 * DAY, Tier.MINUTE), (7 * DAY + 1, Tier.FIVE_MINUTES),
        (30 * DAY + 1, Tier.HOUR), (9 * 365 * DAY, Tier.HOUR),
    ],
)  # fmt: skip
def test_the_finest_tier_that_still_has_the_beginning_is_taken(since: float, tier: Tier) -> None:
    assert covering(NOW - since, NOW, now=NOW) is tier


def test_of_what_is_long_ago_the_age_counts_not_the_length() -> None:
    assert covering(NOW - 8 * DAY, NOW - 8 * DAY + 60, now=NOW) is Tier.FIVE_MINUTES


def test_a_coarser_tier_is_taken_where_there_would_be_too_many_times() -> None:
    assert covering(NOW - 7 * DAY, NOW, now=NOW, most=2016) is Tier.FIVE_MINUTES
    assert covering(NOW - 7 * DAY, NOW, now=NOW, most=2015) is Tier.HOUR
    assert covering(NOW - 7 * DAY, NOW, now=NOW, most=1) is Tier.HOUR
