"""Which time a question is about."""

from __future__ import annotations

import pytest

from phoenixctl.cli.periods import Period
from phoenixctl.metrics.windows import Window
from phoenixctl.model.errors import UsageError

NOW = 1_000_000_000.0  # 2001-09-09T01:46:40Z


@pytest.mark.parametrize(
    ("period", "start", "until"),
    [
        (Period(), NOW - 3600, NOW),
        (Period("minute"), NOW - 60, NOW),
        (Period("90m"), NOW - 5400, NOW),
        (Period("day", until="1h"), NOW - 90_000, NOW - 3600),
        (Period("day", start="2h"), NOW - 7200, NOW),
        (Period(start="2001-09-09T01:46:30Z"), NOW - 10, NOW),
        (Period(start="2001-09-09 03:46:30+02:00", until="5s"), NOW - 10, NOW - 5),
        (Period(start="2001-09-09"), NOW - 6400, NOW),  # without a zone it is UTC
    ],
)
def test_a_period_is_a_window(period: Period, start: float, until: float) -> None:
    assert period.at(NOW) == Window(start, until)


@pytest.mark.parametrize(
    ("period", "what"),
    [
        (Period("fortnight"), "--window fortnight is no time"),
        (Period("0s"), "--window 0s is no time"),
        (Period(start="yesterday"), "--from yesterday is no moment"),
        (Period(until="99"), "--until 99 is no moment"),
        (Period(start="5m", until="10m"), "the window is over before it begins"),
    ],
)
def test_what_is_no_time_is_refused(period: Period, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        period.at(NOW)
