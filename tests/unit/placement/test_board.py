"""The board: masks and reasons say the same, and what was changed counts as if it were found so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.fleet import Fleet, Resources
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.snapshot import NodeObservation, Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.filters.every import CONSTRAINTS
from tests.builders import GiB, agent, fleet, instances, node, seen, snapshot, spec
from tests.unit.placement.fleets import ruled


def agreed(board: Board, f: Fleet) -> None:
    for one in f.instances():
        open_to = board.open_to(one)
        for number in range(len(board.names)):
            reasons = board.rejections(one, number)
            assert open_to[number] == (reasons == ()), (one.id, number, reasons)
            assert open_to[number] == board.open_to(one, slice(number, number + 1))[0]
            for reason in reasons:
                assert reason.node == board.names[number]
                assert reason.need
                assert reason.have
                assert reason.remedy
                assert 0.0 < reason.by <= 1.0


@settings(max_examples=150, deadline=None)
@given(ruled(), st.data())
def test_a_node_is_open_exactly_when_nothing_is_said_against_it(
    drawn: tuple[Fleet, Snapshot], data: st.DataObject
) -> None:
    f, s = drawn
    ids = [one.id for one in f.instances()]
    without = data.draw(st.sets(st.sampled_from(ids))) if ids else set()
    agreed(Board.of(f, s, without=without), f)


@settings(max_examples=100, deadline=None)
@given(ruled())
def test_each_constraint_says_why_exactly_where_its_mask_says_no(drawn) -> None:
    f, s = drawn
    board = Board.of(f, s)
    for one in f.instances():
        for constraint in CONSTRAINTS:
            mask = constraint.mask(one, board, slice(None))
            for number in range(len(board.names)):
                passes = mask is None or bool(mask[number])
                assert passes == (constraint.why(one, board, number) == ()), constraint.name


def same(one: Board, other: Board, f: Fleet) -> None:
    assert np.allclose(one.promised, other.promised)
    assert np.allclose(one.load, other.load)
    assert (one.count == other.count).all()
    assert np.array_equal(one.capacity, other.capacity, equal_nan=True)
    for each in f.instances():
        assert (one.open_to(each) == other.open_to(each)).all()


@settings(max_examples=150, deadline=None)
@given(ruled(), st.data())
def test_what_is_promised_and_withdrawn_counts_as_if_it_had_been_found_so(drawn, data) -> None:
    f, s = drawn
    board = Board.of(f, s)
    for each in f.instances():
        board.open_to(each)  # so that tallies are there and have to be kept right
    there = {o.name: list(o.agents) for o in s.nodes.values() if isinstance(o, NodeObservation)}
    residents = dict(board.residents)
    for each in f.instances():
        choices = [name for name in there if each.id not in residents]
        if choices and data.draw(st.booleans()):
            to = data.draw(st.sampled_from(sorted(choices)))
            board.promise(each, NodeName(to))
            there[to].append(agent(each.id))
        elif each.id in residents and data.draw(st.booleans()):
            for number in list(residents[each.id].nodes):
                name = board.names[number]
                board.withdraw(each.id, name)
                there[name] = [a for a in there[name] if a.id != each.id]
    found = {
        name: replace(o, agents=tuple(there[name])) if isinstance(o, NodeObservation) else o
        for name, o in s.nodes.items()
    }
    same(board, Board.of(f, replace(s, nodes=found)), f)


@settings(max_examples=100, deadline=None)
@given(ruled())
def test_a_node_that_comes_later_counts_as_if_it_had_been_there(drawn) -> None:
    f, s = drawn
    first, *later = s.nodes.values()
    board = Board.of(f, replace(s, nodes={first.name: first}))
    for each in f.instances():
        board.open_to(each)
    for observed in later:
        board.add(f.nodes[observed.name], observed)
    same(board, Board.of(f, s), f)


def test_a_place_that_an_agent_moves_to_counts_and_so_does_the_room_that_it_leaves() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web", memory=GiB(1))])
    board = Board.of(f, snapshot(seen("a", agent("web-0")), seen("b")))
    [web] = instances(f)
    board.promise(web, NodeName("b"))
    assert board.promised[:, 1].tolist() == [GiB(1), GiB(1)]
    assert board.residents[AgentId("web-0")].nodes == [0, 1]
    board.withdraw(web.id, NodeName("a"))
    assert board.promised[:, 1].tolist() == [0.0, GiB(1)]
    assert board.count.tolist() == [0, 1]


def test_what_a_node_says_it_has_stands_before_what_is_measured() -> None:
    f = fleet(node("a", resources=Resources(cpu=2.0, other={"gpu": 4.0})), node("b"))
    board = Board.of(f, snapshot(seen("a", cores=8.0, memory=GiB(4)), seen("b", cores=None)))
    assert board.resources == ("cpu", "memory", "gpu")
    assert board.total[0].tolist() == [2.0, GiB(4), 4.0]
    assert np.isnan(board.total[1, 0])
    assert board.total[1, 2] == 0.0  # nobody says that it has any
