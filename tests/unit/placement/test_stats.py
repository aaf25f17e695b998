"""The placement in numbers: totals, what is stranded, room for more, broken rules."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from phoenixctl.model.fleet import Agent, Fleet, Pool, Resources
from phoenixctl.model.placement import Room
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import Affinity, AgentSelector, Rules, Spread
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.place import place_in
from phoenixctl.placement.stats import MOST_ROOM, placement_stats
from tests.builders import GiB, agent, fleet, node, seen, silent, snapshot, spec
from tests.unit.placement.fleets import ruled

WEB = spec("web", replicas=3, cpu=1.0, memory=GiB(2))


def test_totals_count_what_is_known() -> None:
    f = fleet(node("a"), node("b"), node("c"), agents=[WEB])
    s = snapshot(
        seen("a", agent("web-0"), agent("web-1"), metrics={Metric.CPU: 0.5}), seen("b"), silent("c")
    )
    found = placement_stats(f, s)
    assert (found.agents, found.wanted, found.nodes, found.nodes_in_use) == (2, 3, 3, 1)
    cpu, memory = found.usage
    assert (cpu.total, cpu.promised, cpu.free) == (8.0, 2.0, 6.0)
    assert cpu.in_use == 0.5 * 4 + 0.2 * 4
    assert (memory.total, memory.promised) == (GiB(16), GiB(4))
    assert found.unplaced == ()


def test_what_a_node_keeps_for_itself_is_not_free() -> None:
    pool = Pool("main", reserved=Resources(cpu=1.0))
    f = replace(fleet(node("a"), agents=[WEB]), pools={"main": pool})
    cpu = placement_stats(f, snapshot(seen("a"))).usage[0]
    assert (cpu.total, cpu.reserved, cpu.free) == (4.0, 1.0, 3.0)


def test_efficiency_is_what_must_be_in_use_of_what_is() -> None:
    f = fleet(node("a"), node("b"), node("c"), agents=[WEB])
    spread = snapshot(
        seen("a", agent("web-0")), seen("b", agent("web-1")), seen("c", agent("web-2"))
    )
    found = placement_stats(f, spread)
    assert (found.nodes_in_use, found.nodes_needed) == (3, 1)
    assert found.efficiency == 1 / 3
    assert placement_stats(f, snapshot(seen("a"))).efficiency is None


def test_free_memory_without_a_free_core_is_stranded() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("hog", cpu=4.0), WEB])
    s = snapshot(seen("a", agent("hog-0")), seen("b"))
    cpu, memory = placement_stats(f, s).usage
    assert cpu.stranded == 0.0
    assert memory.stranded == GiB(8)


def test_room_is_what_would_be_placed() -> None:
    apart = Rules(anti_affinity=(Affinity(AgentSelector(specs=("one",))),))
    specs = [WEB, spec("one", rules=apart), spec("any")]
    f = fleet(node("a"), node("b", taints=()), agents=specs)
    s = snapshot(seen("a"), seen("b", agent("one-0")))
    assert placement_stats(f, s).room == {"web": Room(8), "one": Room(1), "any": Room(None)}
    zones = spec("zoned", rules=Rules(spread=(Spread("pool"),)))
    spread = fleet(node("a"), agents=[zones])
    assert placement_stats(spread, s).room == {"zoned": Room(MOST_ROOM, or_more=True)}


def test_agents_that_run_where_a_rule_forbids_it_are_named_with_the_rule() -> None:
    zones = Rules(spread=(Spread("zone", 1),))
    f = fleet(
        node("a", labels={"zone": "x"}), node("b", labels={"zone": "y"}),
        agents=[spec("web", replicas=3, rules=zones), spec("db", nodes=["b"])],
    )  # fmt: skip
    s = snapshot(
        seen("a", agent("web-0"), agent("web-1"), agent("web-2"), agent("db-0"), cordoned="x"),
        seen("b"),
    )
    found = placement_stats(f, s).violations
    assert [(v.agent, v.rejection.node, v.rejection.constraint) for v in found] == [
        ("web-0", "a", "spread"),
        ("web-1", "a", "spread"),
        ("web-2", "a", "spread"),
        ("db-0", "a", "nodes"),
    ]


@settings(deadline=None, max_examples=40)
@given(ruled())
def test_stats_are_what_placing_would_show(found: tuple[Fleet, Snapshot]) -> None:
    f, s = found
    stats = placement_stats(f, s, most_room=5)
    assert (stats.nodes_needed > 0) == (stats.nodes_in_use > 0)
    assert all(0 <= u.stranded <= u.free <= u.total for u in stats.usage)
    for one in f.agents.values():
        more = [Agent(one, one.replicas + number) for number in range(5)]
        there = stats.room[one.name].agents
        # Room is what is free: nobody gives way for it.
        placed = place_in(Board.of(f, s), more, thorough=False).assigned
        assert len(placed) == (5 if there is None else min(5, there))
