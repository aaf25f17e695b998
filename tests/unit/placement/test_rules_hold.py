"""Whatever is placed, no node is promised more than it has and no hard rule is broken."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from phoenixctl.model.fleet import Agent, Fleet
from phoenixctl.model.names import AgentId
from phoenixctl.model.placement import Placement
from phoenixctl.model.rules import Affinity, AgentSelector, Rules, Spread
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.placement.place import place
from tests.builders import GiB, agent, fleet, node, seen, snapshot, spec
from tests.unit.placement.fleets import ruled
from tests.unit.placement.oracle import One, faults, living, narrowness


@st.composite
def placing(draw: st.DrawFn) -> tuple[Fleet, Snapshot, tuple[Agent, ...]]:
    """A fleet with agents that wait; no agent runs twice."""
    f, s = draw(ruled())
    met: set[str] = set()
    nodes = dict(s.nodes)
    for there in s.observed():
        kept = [a for a in there.agents if a.id not in met]
        met |= {a.id for a in kept}
        nodes[there.name] = replace(there, agents=tuple(kept))
    running = {one.id for one in living(f, replace(s, nodes=nodes))}
    waiting = tuple(
        one for one in f.instances() if one.id not in running or not draw(st.integers(0, 3))
    )
    return f, replace(s, nodes=nodes), waiting


@settings(max_examples=200, deadline=None)
@given(placing())
def test_no_hard_rule_is_broken_and_nobody_is_forgotten(
    drawn: tuple[Fleet, Snapshot, tuple[Agent, ...]],
) -> None:
    f, s, waiting = drawn
    ids = [one.id for one in waiting]
    found = place(waiting, f, s)
    assert faults(f, s, found, ids) == []
    _everyone_is_told(ids, found, s)
    _redundancy_gets_no_worse(f, living(f, s, ids), found)
    _those_who_give_way_may(f, {one.id: one for one in living(f, s, ids)}, found)


def _everyone_is_told(ids: list[AgentId], found: Placement, s: Snapshot) -> None:
    victims = [victim for gone in found.preempted.values() for victim in gone]
    assert Counter([*found.assigned, *found.unplaced]) == Counter([*ids, *victims])
    for rejections in found.unplaced.values():
        assert [rejection.node for rejection in rejections] == list(s.nodes)


def _redundancy_gets_no_worse(f: Fleet, before: list[One], found: Placement) -> None:
    victims = {victim for gone in found.preempted.values() for victim in gone}
    after = [one for one in before if one.id not in victims]
    after += [
        One(one, f.agents[one.rpartition("-")[0]], name, new=True)
        for one, name in found.assigned.items()
    ]
    for kind in f.agents.values():
        assert narrowness(f, after, kind) <= narrowness(f, before, kind)


def _those_who_give_way_may(f: Fleet, running: dict[str, One], found: Placement) -> None:
    down: Counter[str] = Counter()
    for winner, victims in found.preempted.items():
        own = f.agents[winner.rpartition("-")[0]].rules
        assert own is not None
        assert own.preempts
        for victim in victims:
            assert running[victim].rules.priority < own.priority
            down[running[victim].spec.name] += victim not in found.assigned
    for name, count in down.items():
        kind = f.agents[name]
        assert count <= kind.rollout.max_unavailable.of(kind.replicas)


@settings(max_examples=60, deadline=None)
@given(placing(), st.integers())
def test_the_order_of_agents_and_of_nodes_changes_nothing(drawn, seed: int) -> None:
    f, s, waiting = drawn
    found = place(waiting, f, s)
    shuffled, names = list(waiting), list(s.nodes)
    random.Random(seed).shuffle(shuffled)
    random.Random(seed).shuffle(names)
    assert place(shuffled, f, s) == found
    again = place(shuffled, f, replace(s, nodes={name: s.nodes[name] for name in names}))
    assert again.assigned == found.assigned
    assert again.preempted == found.preempted
    assert set(again.unplaced) == set(found.unplaced)


def test_oracle_sees_what_is_wrong() -> None:
    """It would be of no use otherwise."""
    alone = Rules(
        anti_affinity=(Affinity(AgentSelector(specs=("web",))),), spread=(Spread("zone"),)
    )
    f = fleet(
        node("a", labels={"zone": "x"}), node("b", labels={"zone": "y"}),
        agents=[spec("web", replicas=3, memory=GiB(5), rules=alone)],
    )  # fmt: skip
    s = snapshot(seen("a", agent("web-0"), memory=GiB(8)), seen("b"))
    wrong = Placement({AgentId("web-1"): "a", AgentId("web-2"): "a"}, {})
    found = " ".join(faults(f, s, wrong, []))
    assert "web-1 is with web-0" in found
    assert "3 in x, 0 elsewhere" in found
    assert "of memory promised" in found
