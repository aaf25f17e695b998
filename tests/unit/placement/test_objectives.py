"""What a whole placement is worth, term by term."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from phoenixctl.model.fleet import Targets
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import Objectives, PlacementSettings
from phoenixctl.placement.board import Board
from phoenixctl.placement.objectives import objectives
from tests.builders import agent, fleet, node, seen, snapshot, spec

WEB = spec("web", replicas=4, cpu=1.0)
AT_TARGET = Targets(agent_response_time_p95_seconds=0.05)
A, B = node("a"), node("b")


def test_balance_is_how_near_the_fullest_node_is_to_the_mean() -> None:
    looks = snapshot(
        seen("a", agent("web-0"), agent("web-1"), agent("web-2")), seen("b", agent("web-3"))
    )
    found = objectives(Board.of(fleet(A, B, agents=[WEB]), looks))
    assert found["balance"] == pytest.approx((4 / 8) / (3 / 4))


def test_latency_and_throughput_count_by_the_agents_that_have_them() -> None:
    slow = {Metric.RESPONSE_P95: 0.1, Metric.THROUGHPUT: 250.0}
    quick = {Metric.RESPONSE_P95: 0.01, Metric.THROUGHPUT: 2000.0}
    looks = snapshot(
        seen("a", agent("web-0"), metrics=slow),
        seen("b", *(agent(f"web-{n}") for n in range(1, 4)), metrics=quick),
    )
    found = objectives(Board.of(fleet(A, B, agents=[WEB], targets=AT_TARGET), looks))
    assert found["latency"] == pytest.approx((0.5 + 3 * 1.0) / 4)
    assert found["throughput"] == pytest.approx((0.25 + 3 * 1.0) / 4)


def test_cost_is_what_is_not_paid_for_of_all_nodes() -> None:
    small, large = (node(n, labels={"type": kind}) for n, kind in (("a", "s"), ("b", "l")))
    f = fleet(small, large, agents=[WEB], prices={"s": 1.0, "l": 3.0})
    found = objectives(Board.of(f, snapshot(seen("a", agent("web-0")), seen("b"))))
    assert found["cost"] == pytest.approx(0.75)


def test_what_nobody_knows_is_left_out_of_the_whole() -> None:
    weights = PlacementSettings(objectives=Objectives(latency=0.5, balance=0.4, cost=0.1))
    f = replace(fleet(A, B, agents=[WEB]), placement=weights)
    found = objectives(Board.of(f, snapshot(seen("a", agent("web-0")), seen("b", agent("web-1")))))
    assert set(found) == {"balance", "cost", "overall"}
    assert found["overall"] == pytest.approx((0.4 * 1.0 + 0.1 * 0.0) / 0.5)


def test_another_placement_is_judged_by_its_own_numbers() -> None:
    board = Board.of(
        fleet(A, B, agents=[WEB]), snapshot(seen("a", agent("web-0"), agent("web-1")), seen("b"))
    )
    load = np.zeros_like(board.load)
    load[:, 0] = 1.0
    assert objectives(board)["balance"] == pytest.approx(0.5)
    assert objectives(board, count=np.array([1, 1]), load=load)["balance"] == pytest.approx(1.0)
