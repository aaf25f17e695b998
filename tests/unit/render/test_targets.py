"""Targets over windows, as people read them."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from phoenixctl.metrics.series import History
from phoenixctl.metrics.windows import Window
from phoenixctl.model.fleet import Targets
from phoenixctl.performance.over_time import over_time
from phoenixctl.render.targets import Period, print_targets_over_time, targets_document

TIMES = np.arange(0.0, 3600.0, 60.0)
WINDOW = Window(0.0, 3600.0)
P95 = "agent_response_time_p95"


def period(values: object, name: str = "hour") -> Period:
    column = np.asarray(values, np.float32).reshape(-1, 1)
    histories = {P95: History(TIMES[: len(column)], ("*",), column)}
    return Period(name, over_time(Targets(), histories, WINDOW))


def printed(*periods: Period) -> list[str]:
    out = StringIO()
    print_targets_over_time(periods, Console(file=out, width=200))
    return out.getvalue().splitlines()


def test_a_target_has_a_row_for_each_window_and_its_name_once() -> None:
    lines = printed(period(np.full(60, 0.02)), period(np.full(60, 0.1), "day"))
    assert lines[1].split()[:8] == [
        "agent",
        "response",
        "time",
        "p95",
        "50ms",
        "hour",
        "20ms",
        "100%",
    ]
    assert lines[2].split() == ["day", "100ms", "50%", "100%", "0%", "steady"]
    assert len(lines) == 1 + 2 * 5


def test_where_a_target_goes_is_told_with_its_pace_and_when_it_will_be_missed() -> None:
    wobble = np.random.default_rng(2).normal(scale=0.0003, size=60)
    (line,) = [s for s in printed(period(0.02 + TIMES / 3600 * 0.01 + wobble)) if "p95" in s]
    assert "worse by " in line
    assert "sure), missed in " in line


def test_nothing_kept_says_what_to_do() -> None:
    lines = printed(Period("hour", over_time(Targets(), {}, WINDOW)))
    assert "phoenixctl metrics collect" in lines[-1]
    assert all("not known" in line for line in lines[1:-1])


def test_programs_get_the_same() -> None:
    document = targets_document("shop", [period(np.full(60, 0.1))])
    (window,) = document["windows"]
    found = next(one for one in window["targets"] if one["name"] == P95)
    assert (found["count"], found["met_share"]) == (60, 0.0)
    assert found["compliance"] == pytest.approx(0.5)
    assert found["course"] == "steady"
    assert window["until"] == "1970-01-01T01:00:00.000Z"
