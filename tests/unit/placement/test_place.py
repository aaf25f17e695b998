"""Placement: every filter, the spread, the ties, and that no node is promised twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.bootstrap import Bootstrap
from phoenixctl.model.errors import HostKeyUnknown
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement, Rejection
from phoenixctl.model.reading import Metric
from phoenixctl.model.snapshot import AgentState, NodeObservation, Snapshot
from phoenixctl.placement.place import place, place_at
from tests.builders import GiB, MiB, agent, fleet, instances, node, seen, silent, snapshot, spec


def placed(f: Fleet, s: Snapshot) -> Placement:
    return place(instances(f), f, s)


def rejected(placement: Placement, agent_id: str) -> list[tuple[str, str]]:
    return [(r.node, r.constraint) for r in placement.unplaced[AgentId(agent_id)]]


def test_agents_are_spread_evenly_and_ties_go_by_name() -> None:
    f = fleet(node("b"), node("a"), node("c"), agents=[spec("web", replicas=4)])
    assert placed(f, snapshot(seen("b"), seen("a"), seen("c"))).assigned == {
        "web-0": "a", "web-1": "b", "web-2": "c", "web-3": "a",
    }  # fmt: skip


def test_agents_that_run_already_count() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web")])
    there = snapshot(seen("a", agent("old-0")), seen("b"))
    assert placed(f, there).assigned == {"web-0": "b"}


def test_a_stopped_agent_takes_no_place() -> None:
    f = fleet(node("a"), agents=[spec("big", memory=GiB(6)), spec("web", memory=GiB(6))])
    there = snapshot(seen("a", agent("big-0", AgentState.STOPPED), memory=GiB(8)))
    assert place(instances(f, "web-0"), f, there).assigned == {"web-0": "a"}


def test_the_largest_agent_goes_first_so_that_all_fit() -> None:
    f = fleet(
        node("a"), node("b"),
        agents=[spec("small", replicas=2, memory=GiB(1)), spec("large", memory=GiB(4))],
    )  # fmt: skip
    there = snapshot(seen("a", memory=GiB(4)), seen("b", memory=GiB(2)))
    assert placed(f, there).assigned == {"large-0": "a", "small-0": "b", "small-1": "b"}


@pytest.mark.parametrize(
    ("other", "constraint"),
    [
        pytest.param(silent("b", HostKeyUnknown("?")), "health", id="silent"),
        pytest.param(seen("b", cordoned="new disk"), "cordon", id="cordoned"),
        pytest.param(seen("b", cores=0.5), "cpu", id="too few cores"),
        pytest.param(seen("b", cores=None), "cpu", id="cores unknown"),
        pytest.param(seen("b", memory=MiB(512)), "memory", id="too little memory"),
        pytest.param(seen("b", memory=None), "memory", id="memory unknown"),
    ],
)
def test_a_node_that_cannot_take_it_is_turned_down_with_the_reason(other, constraint) -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web", replicas=2, cpu=1, memory=GiB(1))])
    assert set(placed(f, snapshot(seen("a"), other)).assigned.values()) == {"a"}
    assert rejected(placed(f, snapshot(other)), "web-0") == [("b", constraint)]


def test_an_agent_that_asks_for_nothing_fits_where_capacity_is_unknown() -> None:
    f = fleet(node("a"), agents=[spec("web")])
    assert placed(f, snapshot(seen("a", cores=None, memory=None))).assigned == {"web-0": "a"}


def test_an_agent_goes_only_to_its_pools_and_nodes() -> None:
    f = fleet(
        node("a"), node("b", pool="db"), node("c", pool="db"),
        agents=[
            spec("sql", pools=("db",), nodes=["a", "c"], replicas=2), spec("lost", nodes=["x"]),
        ],
    )  # fmt: skip
    placement = placed(f, snapshot(seen("a"), seen("b"), seen("c")))
    assert placement.assigned == {"sql-0": "c", "sql-1": "c"}
    assert rejected(placement, "lost-0") == [("a", "nodes"), ("b", "nodes"), ("c", "nodes")]


def test_a_rejection_says_what_was_needed_and_what_is_left() -> None:
    f = fleet(node("a"), agents=[spec("web", replicas=2, memory=GiB(5))])
    remedy = "ask for 2GiB less memory, or free so much there"
    assert placed(f, snapshot(seen("a", memory=GiB(8)))).unplaced == {
        "web-1": (Rejection(NodeName("a"), "memory", "5GiB", "3GiB", remedy, by=0.4),)
    }


def test_a_fleet_without_nodes_places_nothing() -> None:
    f = fleet(agents=[spec("web")])
    assert placed(f, snapshot()) == Placement({}, {AgentId("web-0"): ()})


@st.composite
def crowded(draw: st.DrawFn) -> tuple[Fleet, Snapshot]:
    """A fleet whose agents may well not all fit; some run already, some nodes are out."""
    names = [f"n{i}" for i in range(draw(st.integers(1, 4)))]
    specs = [
        spec(f"s{i}", replicas=draw(st.integers(1, 4)), cpu=draw(st.integers(1, 8)) / 4,
             memory=MiB(128 * draw(st.integers(1, 8))))
        for i in range(draw(st.integers(1, 3)))
    ]  # fmt: skip
    looks = []
    for number, name in enumerate(names):
        there = [agent("s0-9")] if draw(st.booleans()) and number == 0 else []
        looks.append(
            draw(
                st.sampled_from(
                    [
                        seen(name, *there, cores=2.0, memory=GiB(2)),
                        seen(name, *there, cores=1.0, memory=GiB(1)),
                        seen(name, *there, cordoned="x"),
                        silent(name),
                    ]
                )
            )
        )
    return fleet(*(node(n) for n in names), agents=specs), snapshot(*looks)


@given(crowded())
def test_no_node_is_ever_promised_more_than_it_has(drawn: tuple[Fleet, Snapshot]) -> None:
    f, s = drawn
    placement = placed(f, s)
    wanted = {a.id: a.spec.resources for a in f.instances()}
    for observed in s.nodes.values():
        mine = [a for a, n in placement.assigned.items() if n == observed.name]
        if not mine:
            continue
        assert isinstance(observed, NodeObservation)
        assert observed.cordon is None
        running = [f.agents[a.spec_name].resources for a in observed.agents]
        asked = [wanted[a] for a in mine] + running
        assert sum(r.cpu or 0 for r in asked) <= (observed.metrics[Metric.CORES].value or 0)
        assert sum(r.memory or 0 for r in asked) <= (
            observed.metrics[Metric.MEMORY_TOTAL].value or 0
        )


@given(crowded(), st.randoms())
def test_the_order_in_which_agents_are_given_changes_nothing(drawn, rng) -> None:
    f, s = drawn
    shuffled = list(f.instances())
    rng.shuffle(shuffled)
    assert place(shuffled, f, s) == placed(f, s)


@given(crowded())
def test_every_agent_is_placed_once_or_turned_down_by_every_node(drawn) -> None:
    f, s = drawn
    placement = placed(f, s)
    everyone = Counter([*placement.assigned, *placement.unplaced])
    assert everyone == Counter(a.id for a in f.instances())
    for rejections in placement.unplaced.values():
        assert {r.node for r in rejections} == set(s.nodes)


def test_a_node_whose_pool_has_a_bootstrap_takes_agents_when_it_has_joined() -> None:
    f = fleet(node("a"), agents=[spec("web")])
    f = replace(f, pools={"main": replace(f.pools["main"], bootstrap=Bootstrap())})
    agents = f.instances()
    new = place(agents, f, snapshot(seen("a")))
    [rejection] = new.unplaced[AgentId("web-0")]
    assert (rejection.constraint, rejection.have) == ("join", "not yet")
    joined = place(agents, f, snapshot(seen("a", joined="d1")))
    assert joined.assigned == {"web-0": "a"}


def test_agents_asked_for_on_one_node_go_there_or_are_told_all_that_keeps_them_off() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web", replicas=2, cpu=3, memory=GiB(5))])
    found = place_at(instances(f), NodeName("b"), f, snapshot(seen("a"), seen("b")))
    assert found.assigned == {"web-0": "b"}
    assert [r.constraint for r in found.unplaced[AgentId("web-1")]] == ["cpu", "memory"]
