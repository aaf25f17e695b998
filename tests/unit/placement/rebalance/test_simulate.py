"""The simulation refuses every move that breaks something, also for others than who moves."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.rules import Affinity, AgentSelector, Redundancy, Rules, Spread
from phoenixctl.placement.rebalance.result import Move
from phoenixctl.placement.rebalance.simulate import simulate
from tests.builders import spec
from tests.unit.placement.rebalance.running import Running, running, zoned


def move(agent: str, source: str, target: str) -> Move:
    return Move(AgentId(agent), NodeName(source), NodeName(target))


def refusals(of: Running, *waves: Sequence[Move]) -> list[str]:
    return [refusal.why for refusal in simulate(of.fleet, of.snapshot, waves)]


def two(rules: Rules, *, replicas: int = 2) -> list[AgentSpec]:
    return [spec("web", replicas=replicas, rules=rules), spec("db")]


OTHERS = AgentSelector(specs=("web",))
APART = Rules(anti_affinity=(Affinity(OTHERS),))


def test_a_sound_move_is_not_refused() -> None:
    of = running(zoned(2), [spec("web")], {"n0": ["web-0"]})
    assert refusals(of, [move("web-0", "n0", "n1")]) == []


def test_room_that_another_one_leaves_is_not_there_in_the_same_wave() -> None:
    big = spec("web", replicas=2, cpu=3.0)
    of = running(zoned(3), [big], {"n0": ["web-0"], "n1": ["web-1"]})
    on, after = move("web-1", "n1", "n2"), move("web-0", "n0", "n1")
    assert refusals(of, [on], [after]) == []
    assert refusals(of, [on, after]) == ["cpu: needs 3, n1 has 1"]


def test_who_meets_one_that_it_must_not_meet_is_refused() -> None:
    of = running(zoned(3), two(APART), {"n0": ["web-0"], "n1": ["web-1"]})
    assert refusals(of, [move("web-0", "n0", "n1")]) == ["apart web by node n1"]


def test_in_one_wave_none_takes_the_place_of_one_that_it_must_not_meet() -> None:
    of = running(zoned(3), two(APART), {"n0": ["web-0"], "n1": ["web-1"]})
    on, after = move("web-1", "n1", "n2"), move("web-0", "n0", "n1")
    assert refusals(of, [on], [after]) == []
    assert refusals(of, [on, after])


def test_who_leaves_one_alone_that_needs_it_is_refused() -> None:
    rules = Rules(affinity=(Affinity(AgentSelector(specs=("db",))),))
    of = running(zoned(2), two(rules, replicas=1), {"n0": ["web-0", "db-0"]})
    assert refusals(of, [move("db-0", "n0", "n1")]) == ["together web by node n0"]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (Rules(spread=(Spread("zone"),)), "spread web by zone x"),
        (Rules(redundancy=(Redundancy("zone"),)), "redundant web by zone "),
    ],
    ids=["spread", "redundancy"],
)
def test_who_leaves_its_zone_empty_is_refused(rules: Rules, why: str) -> None:
    nodes = zoned(3, "x", "x", "y")
    of = running(nodes, two(rules), {"n0": ["web-0"], "n2": ["web-1"]})
    assert why in refusals(of, [move("web-1", "n2", "n1")])


def test_what_is_broken_already_may_stay_so() -> None:
    of = running(zoned(3), two(APART, replicas=3), {"n0": ["web-0", "web-1", "web-2"]})
    assert refusals(of, [move("web-0", "n0", "n1")]) == []


def test_an_agent_that_is_not_there_is_refused() -> None:
    of = running(zoned(3), [spec("web")], {"n0": ["web-0"]})
    assert "it is not on n1 then" in refusals(of, [move("web-0", "n1", "n2")])


def test_an_agent_whose_spec_is_gone_is_refused() -> None:
    gone = spec("old")
    of = running(zoned(2), [gone], {"n0": ["old-0"]})
    of = Running(running(zoned(2), [], {}).fleet, of.snapshot)
    assert refusals(of, [move("old-0", "n0", "n1")]) == ["its spec is not in the configuration"]
