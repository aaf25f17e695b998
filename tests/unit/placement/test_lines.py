"""Placing spec by spec over arrays is the same as looking at every node for every agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement, Rejection
from phoenixctl.model.reading import Metric
from phoenixctl.model.rules import PlacementSettings, Strategy
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.place import place, place_in
from phoenixctl.placement.rules import rules_of
from phoenixctl.placement.scores.every import scores
from phoenixctl.placement.turns import turns
from tests.builders import agent, fleet, instances, node, seen, snapshot, spec
from tests.unit.placement.fleets import ruled


def by_looking_at_all(
    agents: Sequence[Agent],
    fleet: Fleet,
    snapshot: Snapshot,
    homes: Mapping[AgentId, Sequence[NodeName]],
    apart: set[tuple[AgentId, NodeName]],
) -> Placement:
    """Every agent against every node, one after the other."""
    board = Board.of(fleet, snapshot, without={a.id for a in agents})
    assigned: dict[AgentId, NodeName] = {}
    unplaced: dict[AgentId, tuple[Rejection, ...]] = {}

    def reason(one: Agent, number: int) -> Rejection | None:
        name = board.names[number]
        kept = Rejection(name, "apart", "another node", "this one")
        found = board.rejections(one, number)
        return found[0] if found else kept if (one.id, name) in apart else None

    def assign(one: Agent, name: NodeName) -> None:
        board.promise(one, name)
        assigned[one.id] = name

    for priority in sorted({rules_of(one.spec).priority for one in agents}, reverse=True):
        level = [one for one in agents if rules_of(one.spec).priority == priority]
        # Whom few nodes take depends on those that were placed before.
        waiting = [one for turn in turns(level, board) for one in turn.agents]
        for one in waiting:
            own = [name for name in homes.get(one.id, ()) if name in board.number]
            fitting = [n for n in own if not board.rejections(one, board.number[n])]
            if fitting:
                assign(one, fitting[0])
        for one in waiting:
            if one.id in assigned:
                continue
            total = scores(one, board).total
            reasons = [reason(one, number) for number in range(len(board.names))]
            fitting = [
                (-total[n], board.count[n], board.promised[n, 0], board.names[n])
                for n, why in enumerate(reasons)
                if why is None
            ]
            if fitting:
                assign(one, min(fitting)[-1])
        for one in waiting:
            if one.id not in assigned:
                kept = [reason(one, number) for number in range(len(board.names))]
                unplaced[one.id] = tuple(
                    why or Rejection(name, "apart", "another node", "this one")
                    for why, name in zip(kept, board.names, strict=True)
                )
    return Placement(assigned, unplaced)


@settings(max_examples=150, deadline=None)
@given(ruled(), st.data())
def test_agents_go_where_looking_at_all_nodes_would_send_them(
    drawn: tuple[Fleet, Snapshot], data: st.DataObject
) -> None:
    f, s = drawn
    waiting = [a for a in f.instances() if data.draw(st.integers(0, 3))]
    names = st.sampled_from(list(f.nodes))
    ids = [a.id for a in waiting]
    homes = {a: data.draw(st.lists(names, max_size=2)) for a in ids if data.draw(st.booleans())}
    apart = {(a, data.draw(names)) for a in ids if data.draw(st.booleans())}
    expected = by_looking_at_all(waiting, f, s, homes, apart)
    board = Board.of(f, s, without=set(ids))
    found = place_in(board, waiting, homes=homes, apart=apart, thorough=False)
    assert found == expected
    assert list(found.unplaced) == list(expected.unplaced)


def test_an_agent_does_not_go_to_a_node_that_it_is_kept_apart_from() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web", replicas=2)])
    s = snapshot(seen("a"), seen("b", agent("x-0")))
    apart = {(AgentId("web-0"), NodeName("a"))}
    assert place(instances(f), f, s, apart=apart).assigned == {"web-0": "b", "web-1": "a"}


def test_an_agent_with_no_other_node_than_that_one_is_told_so() -> None:
    f = fleet(node("a"), agents=[spec("web", replicas=2)])
    apart = {(AgentId("web-0"), NodeName("a"))}
    found = place(instances(f), f, snapshot(seen("a")), apart=apart)
    assert found.assigned == {"web-1": "a"}
    assert found.unplaced == {
        "web-0": (Rejection(NodeName("a"), "apart", "another node", "this one"),)
    }


def test_what_was_placed_before_counts_and_a_node_may_come_later() -> None:
    f = fleet(node("a"), node("b"), node("c"), agents=[spec("web", replicas=5)])
    board = Board.of(f, snapshot(seen("a"), seen("b")))
    first = place_in(board, instances(f, "web-0", "web-1", "web-2"))
    assert first.assigned == {"web-0": "a", "web-1": "b", "web-2": "a"}
    board.add(f.nodes[NodeName("c")], seen("c"))
    assert place_in(board, instances(f, "web-3", "web-4")).assigned == {
        "web-3": "c", "web-4": "b",
    }  # fmt: skip


def test_a_node_that_comes_later_takes_only_what_it_may_take() -> None:
    f = fleet(node("a"), node("c", pool="db"), agents=[spec("web", replicas=2, pools=("main",))])
    board = Board.of(f, snapshot(seen("a")))
    place_in(board, instances(f, "web-0"))
    board.add(f.nodes[NodeName("c")], seen("c"))
    assert place_in(board, instances(f, "web-1")).assigned == {"web-1": "a"}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([1.0, 2.0, 4.0]), st.sampled_from([0.0, 0.1, 0.5])),
             min_size=2, max_size=8),
    st.sampled_from(Strategy),
    st.sampled_from([None, 0.1, 0.3, 1.0]),
    st.data(),
)  # fmt: skip
def test_as_many_as_are_placed_at_once_go_where_they_would_go_one_by_one(
    looks, strategy, cpu, data
) -> None:
    names = [f"n{number}" for number in range(len(looks))]
    f = fleet(
        *(node(name) for name in names),
        agents=[spec("web", replicas=20, cpu=cpu)],
        placement=PlacementSettings(strategy=strategy),
    )
    s = snapshot(
        *(seen(name, cores=cores, metrics={Metric.CPU: used})
          for name, (cores, used) in zip(names, looks, strict=True))
    )  # fmt: skip
    waiting = f.instances()
    apart = {(a.id, data.draw(st.sampled_from(list(f.nodes)))) for a in waiting[::3]}
    expected = by_looking_at_all(waiting, f, s, {}, apart)
    assert place_in(Board.of(f, s), waiting, apart=apart, thorough=False) == expected
