"""Explanations say what the filters and the scores say, of every node."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.rules import Affinity, AgentSelector, Rules
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.board import Board
from phoenixctl.placement.explain import explain
from phoenixctl.placement.place import place
from tests.builders import GiB, agent, fleet, instances, node, seen, silent, snapshot, spec
from tests.unit.placement.fleets import ruled


def test_every_node_is_there_with_all_that_it_lacks() -> None:
    f = fleet(node("a"), node("b"), node("c"), agents=[spec("big", cpu=8.0, memory=GiB(16))])
    s = snapshot(seen("a"), silent("b"), seen("c", cores=16.0, cordoned="disk"))
    found = explain(instances(f)[0], f, s)
    assert not found.open
    lacks = {v.node: [r.constraint for r in v.rejections] for v in found.closed}
    assert lacks == {
        "a": ["cpu", "memory"],
        "b": ["health", "cpu", "memory"],
        "c": ["cordon", "memory"],
    }


def test_the_nearest_node_is_the_one_that_lacks_least() -> None:
    f = fleet(node("a"), node("b"), node("c"), agents=[spec("big", memory=GiB(10))])
    s = snapshot(seen("a", memory=GiB(4)), seen("b", memory=GiB(9)), silent("c"))
    found = explain(instances(f)[0], f, s)
    assert found.nearest is not None
    assert found.nearest.node == "b"
    assert [v.node for v in found.closed] == ["b", "a", "c"]
    (lacking,) = found.nearest.rejections
    assert (lacking.need, lacking.have) == ("10GiB", "9GiB")
    assert lacking.by == pytest.approx(0.1)


def test_an_agent_is_not_in_its_own_way() -> None:
    alone = Rules(anti_affinity=(Affinity(AgentSelector(specs=("web",))),))
    f = fleet(node("a"), node("b"), agents=[spec("web", replicas=2, memory=GiB(6), rules=alone)])
    s = snapshot(seen("a", agent("web-0")), seen("b", agent("web-1")))
    found = explain(instances(f, "web-0")[0], f, s)
    assert found.here == ("a",)
    assert [v.node for v in found.open] == ["a"]
    (other,) = found.closed
    assert [r.constraint for r in other.rejections] == ["memory", "anti-affinity"]


def test_the_terms_of_a_score_add_up_by_their_weights() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web", memory=GiB(1))])
    found = explain(instances(f)[0], f, snapshot(seen("a"), seen("b", agent("old-0"))))
    assert found.weights == {
        "resources": 0.3, "affinity": 0.2, "balance": 0.3, "performance": 0.2,
    }  # fmt: skip
    for verdict in found.open:
        total = sum(found.weights[name] * term for name, term in verdict.terms.items())
        assert verdict.score == pytest.approx(total)


@settings(deadline=None, max_examples=40)
@given(ruled())
def test_explanations_agree_with_the_filters_and_with_what_is_placed(
    found: tuple[Fleet, Snapshot],
) -> None:
    f, s = found
    for wanted in _missing(f, s)[:3]:
        board = Board.of(f, s)
        open_to = board.open_to(wanted)
        told = explain(wanted, f, s)
        assert {v.node for v in told.open} == {
            n for n, o in zip(board.names, open_to, strict=True) if o
        }
        assert all(v.rejections for v in told.closed)
        assert all(0.0 <= term <= 1.0 for v in told.open for term in v.terms.values())
        chosen = place([wanted], f, s).assigned.get(wanted.id)
        assert chosen == (told.open[0].node if told.open else None)


def _missing(f: Fleet, s: Snapshot) -> list[Agent]:
    return [one for one in f.instances() if not s.find(one.id)]
