"""Seats that are given anew make the fleet better by its own score, and break nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.placement import Placement
from phoenixctl.model.rules import Rules, Strategy
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement import reseat as reseating
from phoenixctl.placement.board import Board
from phoenixctl.placement.place import place, place_in
from phoenixctl.placement.reseat import reseat
from phoenixctl.placement.scores.every import scores
from tests.builders import GiB, agent, fleet, instances, node, seen, snapshot, spec
from tests.unit.placement.oracle import faults
from tests.unit.placement.test_rules_hold import placing


def total(board: Board, agents: Mapping[AgentId, Agent], at: Mapping[AgentId, NodeName]) -> float:
    """The sum of the scores, of each agent with all others where they are."""
    found = 0.0
    for one, name in at.items():
        resident = board.withdraw(one, name)
        found += float(scores(agents[one], board).total[board.number[name]])
        board.put(one, resident, name)
    return found


@settings(max_examples=120, deadline=None)
@given(placing(), st.data())
def test_the_score_never_falls_and_no_hard_rule_is_broken(
    drawn: tuple[Fleet, Snapshot, tuple[Agent, ...]], data: st.DataObject
) -> None:
    f, s, waiting = drawn
    ids = [one.id for one in waiting]
    board = Board.of(f, s, without=set(ids))
    at = dict(place_in(board, waiting, thorough=False).assigned)
    agents = {one.id: one for one in waiting if one.id in at}
    away = {one: [data.draw(st.sampled_from(list(s.nodes)))] for one in ids if one in at}
    apart = {one: names for one, names in away.items() if names != [at[one]]}
    residents = {one: list(r.nodes) for one, r in board.residents.items() if one not in at}
    score, before = total(board, agents, at), dict(at)
    reseat(agents.values(), at, board, apart)
    assert total(board, agents, at) >= score - 1e-6
    assert faults(f, s, Placement(at, {}), ids) == []
    assert {o: r.nodes for o, r in board.residents.items() if o not in at} == residents
    for one, name in at.items():
        assert board.residents[one].nodes == [board.number[name]]
        assert name == before[one] or name not in apart.get(one, ())


def uneven(strategy: Strategy | None = None) -> tuple[Fleet, Snapshot]:
    """Small agents come last, to the small nodes that suit them, and crowd them."""
    rules = Rules(strategy=strategy)
    f = fleet(
        *(node(name) for name in ("a", "b", "c", "d")),
        agents=[
            spec("large", replicas=4, cpu=1, memory=GiB(1), rules=rules),
            spec("small", replicas=8, cpu=0.1, memory=GiB(0.25), rules=rules),
        ],
    )
    sizes = {"a": (2.0, 4), "b": (4.0, 8), "c": (8.0, 16), "d": (16.0, 32)}
    return f, snapshot(*(seen(n, cores=c, memory=GiB(m)) for n, (c, m) in sizes.items()))


def test_a_fleet_that_was_placed_one_by_one_gets_better_when_all_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    f, s = uneven()
    agents = {one.id: one for one in f.instances()}
    found = place(f.instances(), f, s).assigned
    monkeypatch.setattr(reseating, "LOOKS", 0)
    first = place(f.instances(), f, s).assigned
    assert _worth(f, s, agents, found) > _worth(f, s, agents, first) + 0.05


def _worth(
    f: Fleet, s: Snapshot, agents: Mapping[AgentId, Agent], at: Mapping[AgentId, NodeName]
) -> float:
    board = Board.of(f, s)
    for one, name in at.items():
        board.promise(agents[one], name)
    return total(board, agents, at)


def test_one_agent_alone_goes_where_explain_says() -> None:
    f, s = uneven()
    [one] = instances(f, "small-0")
    board = Board.of(f, s)
    best = max(board.names, key=lambda name: scores(one, board).total[board.number[name]])
    assert place([one], f, s).assigned == {"small-0": best}


def test_who_has_gone_back_home_stays_there() -> None:
    f, s = uneven()
    homes = {one.id: [NodeName("a")] for one in instances(f, "small-0", "small-1")}
    found = place(f.instances(), f, s, homes=homes).assigned
    assert {found[AgentId("small-0")], found[AgentId("small-1")]} == {"a"}


def test_who_runs_stays_where_it_is() -> None:
    f, _ = uneven()
    s = snapshot(seen("a", *(agent(f"small-{n}") for n in range(6))), seen("b"))
    board = Board.of(f, s)
    place_in(board, instances(f, "large-0", "large-1", "large-2"))
    assert {board.residents[AgentId(f"small-{n}")].nodes[0] for n in range(6)} == {0}
