"""Agents of which none can be placed before the others are."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.fleet import AgentSpec, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import NODE, Affinity, AgentSelector, Rules
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.explain import explain
from phoenixctl.placement.place import place, place_in
from tests.builders import GiB, agent, fleet, node, seen, snapshot, spec
from tests.unit.placement.oracle import faults


def needing(*names: str, within: str = NODE, alone: bool = False, own: str = "") -> Rules:
    apart = (Affinity(AgentSelector(specs=(own,))),) if alone else ()
    near = tuple(Affinity(AgentSelector(specs=(name,)), within) for name in names)
    return Rules(affinity=near, anti_affinity=apart)


def pair(replicas: int = 1, *, within: str = NODE, alone: bool = False) -> list[AgentSpec]:
    """An application and its cache."""
    return [
        spec(name, replicas=replicas, memory=GiB(3),
             rules=needing(other, within=within, alone=alone, own=name))
        for name, other in (("app", "cache"), ("cache", "app"))
    ]  # fmt: skip


def placed(f: Fleet, s: Snapshot) -> Placement:
    found = place(f.instances(), f, s)
    assert faults(f, s, found, [one.id for one in f.instances()]) == []
    return found


def test_two_that_need_each_other_go_where_both_fit() -> None:
    f = fleet(node("a"), node("b"), node("c"), agents=pair())
    s = snapshot(seen("a", memory=GiB(5)), seen("b", memory=GiB(7)), seen("c", memory=GiB(4)))
    assert placed(f, s).assigned == {"app-0": "b", "cache-0": "b"}


def test_each_pair_takes_a_node_where_only_a_pair_fits() -> None:
    f = fleet(*(node(name) for name in "abc"), agents=pair(3))
    found = placed(f, snapshot(*(seen(name, memory=GiB(7)) for name in "abc")))
    assert found.unplaced == {}
    where = Counter((one.partition("-")[0], name) for one, name in found.assigned.items())
    assert where == Counter({(kind, name): 1 for kind in ("app", "cache") for name in "abc"})


def test_explain_tells_of_the_company_in_which_an_agent_gets_a_place() -> None:
    f = fleet(node("a"), node("b"), node("c"), agents=pair())
    s = snapshot(seen("a", memory=GiB(5)), seen("b", memory=GiB(7)), seen("c", memory=GiB(4)))
    app, _cache = f.instances()
    found = explain(app, f, s)
    assert found.open == ()
    assert dict(found.company) == placed(f, s).assigned
    # The room for both is gone: nothing is promised that placement would not keep.
    small = snapshot(seen("a", memory=GiB(5)), seen("b", memory=GiB(5)), seen("c", memory=GiB(4)))
    assert explain(app, f, small).company == ()


def test_explain_tells_of_no_company_where_an_agent_needs_none() -> None:
    f = fleet(node("a"), agents=[spec("big", memory=GiB(9)), spec("other", memory=GiB(1))])
    assert explain(f.instances()[0], f, snapshot(seen("a", memory=GiB(5)))).company == ()


def test_of_unequal_numbers_those_that_are_left_join_the_others() -> None:
    app, cache = pair()
    f = fleet(node("a"), node("b"), agents=[app, spec("cache", replicas=3, rules=cache.rules)])
    found = placed(f, snapshot(seen("a"), seen("b")))
    assert found.unplaced == {}
    assert len(set(found.assigned.values())) == 1


def test_in_one_zone_they_may_be_on_two_nodes() -> None:
    zones = {"a": "x", "b": "y", "c": "y"}
    f = fleet(
        *(node(name, labels={"zone": zone}) for name, zone in zones.items()),
        agents=pair(within="zone"),
    )
    found = placed(f, snapshot(*(seen(name, memory=GiB(4)) for name in zones)))
    assert set(found.assigned.values()) == {"b", "c"}


def test_their_other_rules_hold() -> None:
    f = fleet(node("a"), node("b"), agents=pair(3, alone=True))
    found = placed(f, snapshot(seen("a", memory=GiB(64)), seen("b", memory=GiB(64))))
    assert len(found.assigned) == 4
    assert set(found.unplaced) == {"app-2", "cache-2"}


def test_one_goes_to_those_that_run_without_leaving_its_company_alone() -> None:
    """The one that runs has no cache near: it breaks its rule already, until one comes."""
    f = fleet(node("a"), node("b"), agents=pair(2))
    there = snapshot(seen("a", agent("app-0"), memory=GiB(6)), seen("b", memory=GiB(6)))
    waiting = [one for one in f.instances() if one.id != "app-0"]
    found = place(waiting, f, there)
    assert found.assigned == {"cache-0": "a", "app-1": "b", "cache-1": "b"}


def test_nothing_is_promised_where_they_do_not_all_fit() -> None:
    f = fleet(node("a"), node("b"), agents=pair())
    board = Board.of(f, snapshot(seen("a", memory=GiB(5)), seen("b", memory=GiB(5))))
    found = place_in(board, f.instances())
    assert found.assigned == {}
    assert {r.constraint for r in found.unplaced[AgentId("app-0")]} == {"affinity"}
    assert not board.residents
    assert not board.promised.any()


def test_none_goes_to_a_node_that_it_must_not_go_to() -> None:
    f = fleet(node("a"), node("b"), agents=pair())
    s = snapshot(seen("a", memory=GiB(64)), seen("b"))
    found = place(f.instances(), f, s, apart={(AgentId("cache-0"), NodeName("a"))})
    assert found.assigned == {"app-0": "b", "cache-0": "b"}


@st.composite
def circles(draw: st.DrawFn) -> tuple[Fleet, Snapshot]:
    """Specs with one agent each of which every one needs the next one on its node."""
    names = ["s0", "s1", "s2", "s3"][: draw(st.integers(2, 4))]
    agents = [
        spec(
            one, memory=GiB(draw(st.integers(1, 4))), rules=needing(other),
            nodes=draw(st.sampled_from([[], [], ["a", "b"], ["b", "c"]])),
        )
        for one, other in pairwise([*names, names[0]])
    ]  # fmt: skip
    looks = [seen(name, memory=GiB(draw(st.integers(2, 16)))) for name in "abc"]
    return fleet(*(node(name) for name in "abc"), agents=agents), snapshot(*looks)


@settings(max_examples=60, deadline=None)
@given(circles())
def test_a_circle_finds_a_node_if_there_is_one_for_all_of_it(drawn: tuple[Fleet, Snapshot]) -> None:
    f, s = drawn
    found = placed(f, s)
    need = sum(one.resources.memory or 0 for one in f.agents.values())
    able = {
        there.name
        for there in s.observed()
        if (there.metrics[Metric.MEMORY_TOTAL].value or 0) >= need
        and all(not one.nodes or there.name in one.nodes for one in f.agents.values())
    }
    assert set(found.assigned.values()) <= able
    assert len(found.assigned) == (len(f.agents) if able else 0)
