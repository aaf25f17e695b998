"""What `balance simulate` is asked to play."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from phoenixctl.balancing.simulate.setting import WAYS
from phoenixctl.cli.run import Run
from phoenixctl.cli.simulating import Question, played, ratio_of, speeds_of
from phoenixctl.model.errors import UsageError
from phoenixctl.render.simulated import simulated_document

QUESTION = Question(
    speeds=[1.0, 0.5], workers=2, load=0.5, trace=None, service_seconds=0.1, timeout_seconds=5.0,
    seconds=60, seed=1,
)  # fmt: skip


def test_speeds_are_listed_with_how_many_there_are() -> None:
    assert speeds_of(Run(), "1.0x2, 0.5") == [1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("fast", "'fast' is not a speed"),
        ("1.2.3", "is not a speed"),
        ("1x0", "is not a speed"),
        ("0x2", "from 0.01 to 100"),
        ("1x999999", "at most 200 members"),
        ("1x150,1x150", "at most 200 members"),
    ],
)
def test_speeds_that_are_none_are_refused(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        speeds_of(Run(), text)


def test_a_load_is_a_share() -> None:
    assert (ratio_of("--load", "70%"), ratio_of("--load", "0.9")) == (0.7, 0.9)
    for text in ("0", "200%", "much"):
        with pytest.raises(UsageError, match="is not a share"):
            ratio_of("--load", text)


def test_a_trace_is_squeezed_and_its_peak_is_the_load(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("timestamp,value\n2026-01-01 00:00:00,5\n2026-01-01 00:05:00,10\n")
    rates = replace(QUESTION, trace=path).setting().rates
    assert rates[0] == pytest.approx(rates[-1] / 2)
    assert rates[-1] == pytest.approx(0.5 * QUESTION.setting().capacity)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("timestamp,value\na,1\nb,x\n", "line 3 is not timestamp,value"),
        ("timestamp,value\na,1\n", "has no load"),
        ("timestamp,value\na,0\nb,0\n", "has no load"),
    ],
)
def test_a_trace_that_is_none_names_the_line(tmp_path: Path, content: str, what: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match=what):
        replace(QUESTION, trace=path).setting()
    with pytest.raises(UsageError, match="cannot be read"):
        replace(QUESTION, trace=tmp_path / "none").setting()


def test_more_requests_than_can_be_played_are_refused() -> None:
    with pytest.raises(UsageError, match="more than 2000000"):
        replace(QUESTION, service_seconds=1e-6).setting()


def test_every_way_is_played_with_the_same_requests_and_told() -> None:
    found = played(QUESTION, WAYS)
    told = simulated_document(found, found[0], QUESTION.document())
    assert [one["way"] for one in told["ways"]] == [way.name for way in WAYS]
    assert len({one["requests"] for one in told["ways"]}) == 1
    assert told["why"].startswith(f"{found[0].way.name} has the lowest p99, ")
