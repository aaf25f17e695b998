"""Room for an agent that fits nowhere: another one moves, or those that matter less give way."""

from __future__ import annotations

from dataclasses import replace

from phoenixctl.model.fleet import Rollout, Share
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.rules import Affinity, AgentSelector, Rules, Spread, Strategy
from phoenixctl.placement.place import place
from tests.builders import GiB, agent, fleet, instances, node, seen, snapshot, spec

VIP = spec("vip", memory=GiB(6), rules=Rules(priority=10, preempts=True))


def test_the_higher_priority_gets_the_room_whatever_the_size() -> None:
    f = fleet(
        node("a"),
        agents=[spec("large", memory=GiB(6)), spec("vip", memory=GiB(3), rules=Rules(priority=1))],
    )
    found = place(f.instances(), f, snapshot(seen("a")))
    assert found.assigned == {"vip-0": "a"}
    assert set(found.unplaced) == {"large-0"}


def test_who_can_go_to_the_fewest_nodes_goes_first() -> None:
    f = fleet(
        node("a"), node("b"),
        agents=[spec("free", memory=GiB(6)), spec("tied", memory=GiB(5), nodes=["a"])],
    )  # fmt: skip
    found = place(f.instances(), f, snapshot(seen("a"), seen("b")))
    assert found.assigned == {"tied-0": "a", "free-0": "b"}


def test_who_belongs_to_another_one_goes_after_it() -> None:
    near = Rules(affinity=(Affinity(AgentSelector(specs=("db",))),))
    f = fleet(
        node("a"), node("b"),
        agents=[spec("web", memory=GiB(5), rules=near), spec("db", memory=GiB(1))],
    )  # fmt: skip
    found = place(f.instances(), f, snapshot(seen("a"), seen("b")))
    assert found.unplaced == {}
    assert found.assigned[AgentId("web-0")] == found.assigned[AgentId("db-0")]


def test_one_that_was_placed_in_the_same_run_moves_for_one_that_finds_no_room() -> None:
    last = Rules(
        affinity=(Affinity(AgentSelector(specs=("db",))),),
        anti_affinity=(Affinity(AgentSelector(specs=("mail",))),),
    )
    f = fleet(
        node("a"), node("b"),
        agents=[
            spec("db", memory=GiB(2)), spec("web", memory=GiB(1), rules=last),
            spec("mail", memory=GiB(1), rules=Rules(strategy=Strategy.PACK)),
        ],
    )  # fmt: skip
    s = snapshot(seen("a"), seen("b", memory=GiB(1)))
    without = place(instances(f, "db-0", "mail-0"), f, s)
    assert without.assigned == {"db-0": "a", "mail-0": "a"}
    assert place(f.instances(), f, s).assigned == {"db-0": "a", "mail-0": "b", "web-0": "a"}


def test_what_runs_does_not_move_for_others() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web", memory=GiB(3)), spec("big", memory=GiB(6))])
    s = snapshot(seen("a", agent("web-0")), seen("b", memory=GiB(5)))
    found = place(instances(f, "big-0"), f, s)
    assert found.assigned == {}
    assert found.preempted == {}


def test_the_fewest_and_lowest_give_way_and_find_another_place() -> None:
    f = fleet(
        node("a"), node("b"), node("c"),
        agents=[
            VIP, spec("low", memory=GiB(5)), spec("mid", memory=GiB(5), rules=Rules(priority=5)),
            spec("bit", replicas=3, memory=GiB(2), rollout=Rollout(max_unavailable=Share(3))),
        ],
    )  # fmt: skip
    s = snapshot(
        seen("a", agent("mid-0")), seen("b", *(agent(f"bit-{n}") for n in range(3))),
        seen("c", agent("low-0"), memory=GiB(10)),
    )  # fmt: skip
    found = place(instances(f, "vip-0"), f, s)
    assert found.assigned == {"vip-0": "c"}
    assert found.preempted == {"vip-0": ("low-0",)}
    assert [r.node for r in found.unplaced[AgentId("low-0")]] == ["a", "b", "c"]
    roomy = snapshot(*(replace(n) for n in s.observed()), seen("d"))
    wider = replace(f, nodes={**f.nodes, NodeName("d"): node("d")})
    assert place(instances(f, "vip-0"), wider, roomy).assigned == {"vip-0": "d"}


def test_who_gives_way_may_make_a_still_lower_one_give_way() -> None:
    mid = spec("mid", memory=GiB(5), nodes=["a", "b"], rules=Rules(priority=5, preempts=True))
    vip = replace(VIP, nodes=(NodeName("a"),))
    f = fleet(node("a"), node("b"), agents=[vip, mid, spec("low", memory=GiB(5))])
    s = snapshot(seen("a", agent("mid-0")), seen("b", agent("low-0")))
    found = place(instances(f, "vip-0"), f, s)
    assert found.assigned == {"vip-0": "a", "mid-0": "b"}
    assert found.preempted == {"vip-0": ("mid-0",), "mid-0": ("low-0",)}
    assert set(found.unplaced) == {"low-0"}


def test_nobody_gives_way_where_that_breaks_a_rule_or_makes_too_little_room() -> None:
    spread = spec("web", replicas=3, memory=GiB(3), rules=Rules(spread=(Spread("zone"),)))
    f = fleet(
        node("a", labels={"zone": "x"}), node("b", labels={"zone": "y"}),
        agents=[replace(VIP, nodes=(NodeName("a"),)), spread],
    )  # fmt: skip
    looks = seen("a", agent("web-0")), seen("b", agent("web-1"), agent("web-2"), memory=GiB(6))
    found = place(instances(f, "vip-0"), f, snapshot(*looks))
    assert found.assigned == {}  # without web-0, zone y would have two more than zone x
    small = seen("a", agent("web-0"), memory=GiB(5)), looks[1]
    assert place(instances(f, "vip-0"), f, snapshot(*small)).assigned == {}


def test_it_does_not_take_the_room_of_its_company() -> None:
    near = Rules(priority=9, preempts=True, affinity=(Affinity(AgentSelector(specs=("db",))),))
    f = fleet(node("a"), agents=[spec("web", memory=GiB(5), rules=near), spec("db", memory=GiB(5))])
    found = place(instances(f, "web-0"), f, snapshot(seen("a", agent("db-0"))))
    assert found.assigned == {}
    assert [r.constraint for r in found.unplaced[AgentId("web-0")]] == ["memory"]
