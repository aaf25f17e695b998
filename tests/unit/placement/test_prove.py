"""Proofs in words: what is proven has no placement, and the few rules in the way are named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.rules import (
    Affinity,
    AgentSelector,
    Operator,
    Redundancy,
    Requirement,
    Rules,
    Spread,
)
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.place import place
from phoenixctl.placement.prove import prove
from phoenixctl.placement.stats import placement_stats
from tests.builders import GiB, agent, fleet, instances, node, seen, snapshot, spec
from tests.unit.placement.test_rules_hold import placing

pytest.importorskip("ortools", reason="comes with phoenixctl[opt]")

WEB = AgentSelector(specs=("web",))


def zoned(*agents: object) -> Fleet:
    return fleet(
        *(node(n, labels={"zone": z}) for n, z in (("a", "x"), ("b", "x"), ("c", "y"))),
        agents=agents,
    )


ALL = snapshot(*(seen(n, memory=GiB(8)) for n in "abc"))


@pytest.mark.parametrize(
    ("rules", "named"),
    [
        (Rules(anti_affinity=(Affinity(WEB),)), ["anti-affinity of web to web in the same node"]),
        (
            Rules(anti_affinity=(Affinity(WEB, "zone"),)),
            ["anti-affinity of web to web in the same zone"],
        ),
        (Rules(redundancy=(Redundancy("zone", 3),)), ["replicas of web in 3 of zone"]),
    ],
)
def test_rules_about_neighbours_are_named_as_people_wrote_them(
    rules: Rules, named: list[str]
) -> None:
    f = zoned(spec("web", replicas=4, rules=rules))
    ruling = prove(f.instances(), f, ALL)
    assert ruling.proven
    assert not ruling.stay
    assert list(ruling.rules) == named


def test_a_resource_is_named_and_rules_that_only_together_leave_no_place() -> None:
    f = zoned(spec("web", replicas=5, memory=GiB(5)))
    assert prove(f.instances(), f, ALL).rules == ("memory",)
    only = Requirement("zone", Operator.IN, ("y",))
    f = zoned(spec("web", replicas=2, rules=Rules((only,), anti_affinity=(Affinity(WEB),))))
    ruling = prove(f.instances(), f, ALL)
    assert set(ruling.rules) == {
        "where agents may go (selector)", "anti-affinity of web to web in the same node",
    }  # fmt: skip
    even = Rules(spread=(Spread("zone"),))
    f = zoned(spec("web", replicas=4, memory=GiB(8), rules=even))
    assert "memory" in prove(f.instances(), f, ALL).rules


def test_who_runs_may_be_what_is_in_the_way() -> None:
    f = fleet(
        node("a"), node("b"),
        agents=[spec("small", replicas=2, memory=GiB(2)), spec("big", memory=GiB(7))],
    )  # fmt: skip
    s = snapshot(seen("a", agent("small-0")), seen("b", agent("small-1")))
    big = instances(f, "big-0")
    assert place(big, f, s).unplaced
    ruling = prove(big, f, s)
    assert (ruling.proven, ruling.stay, ruling.rules) == (True, True, ("memory",))


def test_nothing_is_proven_of_what_is_too_large_or_has_a_place() -> None:
    f = zoned(spec("web", replicas=9000))
    assert "would take too long" in prove(f.instances(), f, ALL).why
    f = zoned(spec("web"))
    assert not prove(f.instances(), f, ALL).proven


@settings(max_examples=25, deadline=None)
@given(placing())
def test_what_was_placed_is_never_said_to_have_no_place(
    drawn: tuple[Fleet, Snapshot, tuple[Agent, ...]],
) -> None:
    f, s, waiting = drawn
    found = place(waiting, f, s)
    if not found.unplaced and not found.preempted:
        ruling = prove(waiting, f, s)
        # A rule that is broken already may stay broken while agents come.
        assert not ruling.proven or _broken(f, s, waiting)


def _broken(f: Fleet, s: Snapshot, waiting: tuple[Agent, ...]) -> bool:
    ids = {one.id for one in waiting}
    return any(v.agent not in ids for v in placement_stats(f, s).violations)
