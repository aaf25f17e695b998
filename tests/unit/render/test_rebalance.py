"""What people and programs read of a rebalance."""

from __future__ import annotations

import json

import pytest

from phoenixctl.model.rules import Goal
from phoenixctl.placement.rebalance.result import Rebalance
from phoenixctl.render.rebalance import print_rebalance, rebalance_document
from tests.builders import spec
from tests.unit.placement.rebalance.running import running, zoned
from tests.unit.render.writing import written

WEB = spec("web", replicas=4, cpu=0.5)


def found(goal: Goal = Goal.EVEN) -> Rebalance:
    of = running(zoned(2), [WEB], {"n0": [f"web-{n}" for n in range(4)]})
    return of.rebalanced(goal, at_once={"web": 1})


def test_the_curve_says_what_each_move_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    text = written(lambda console: print_rebalance(found(), console), monkeypatch)
    lines = text.splitlines()
    assert lines[0] == (
        "even: from 1.0000 of the worst placement to 0.0000 in 2 moves;"
        " no placement is below 0.0000, gap 0.0000"
    )
    assert "    1  0.6533     0.3467  0.3467  web-0 n0 -> n1" in lines
    assert "most agents on one            4  2" in lines
    assert "fullest, cpu (mean 25%)     50%  25%" in lines
    assert lines[-3:-1] == ["   1  web-0", "   2  web-1"]


def test_that_no_move_is_worth_it_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = written(lambda console: print_rebalance(found(Goal.LATENCY), console), monkeypatch)
    assert text == (
        "latency: no move is worth it; it stays at 0.0000 of the worst placement,"
        " no placement is below 0.0000\n"
    )


def test_hops_that_are_worth_it_only_together_are_one_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nine = spec("web", replicas=9)
    crowd = {"n0": [f"web-{n}" for n in range(4)], "n1": [f"web-{n}" for n in range(4, 9)]}
    of = running(zoned(2), [nine], crowd)
    emptied = of.rebalanced(Goal.CONSOLIDATE)
    text = written(lambda console: print_rebalance(emptied, console), monkeypatch, columns=200)
    assert "web-0 n0 -> n1, web-1 n0 -> n1, web-2 n0 -> n1 and 1 more" in text


def test_programs_read_the_same_and_the_reasons() -> None:
    document = json.loads(json.dumps(rebalance_document(found())))
    assert document["goal"] == "even"
    assert document["objective"] == {"before": 1.0, "after": 0.0, "bound": 0.0, "gap": 0.0}
    assert [point["moves"] for point in document["curve"]] == [1, 2]
    assert document["curve"][0]["made"] == [{"agent": "web-0", "from": "n0", "to": "n1"}]
    assert document["waves"][1][0]["reason"] == "n0 has 2 agents instead of 4"
    assert document["before"]["nodes_in_use"] == 1
    assert document["after"]["fullest"]["cpu"] == 0.25
