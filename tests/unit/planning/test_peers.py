"""Which nodes keep an agent's checkpoints, and what a plan says of those that are begun from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.moving import Checkpoints
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan
from phoenixctl.model.snapshot import AgentState, Snapshot
from phoenixctl.model.state import State
from phoenixctl.model.units import Bytes
from phoenixctl.planning import steps
from phoenixctl.planning.peers import newest, offers, peers_of, surplus
from phoenixctl.planning.restoring import restorable, with_restores
from phoenixctl.remote.checkpoints import CheckpointId, Content, Kept, Shelf
from tests.builders import agent, fleet, node, seen, silent, snapshot, spec

WEB = AgentId("web-0")
KEPT = spec("web", checkpoints=Checkpoints(copies=1, keep=2))


def mark(epoch: int, at: int = 1) -> CheckpointId:
    return CheckpointId(epoch, at, f"{epoch:032x}{at:032x}")


def shelf(*marks: CheckpointId, of: str = "web-0", age: float = 10.0) -> Shelf:
    what = Content(Bytes(1), "", "c", packed=False)
    return Shelf("/base", {AgentId(of): tuple(Kept(AgentId(of), m, what, age) for m in marks)})


def shelves(**by_node: Shelf) -> dict[NodeName, Shelf]:
    return {NodeName(name): found for name, found in by_node.items()}


def zoned(**zones: str) -> Fleet:
    return fleet(*(node(name, labels={"zone": zone}) for name, zone in zones.items()))


def everyone(of: Fleet) -> Snapshot:
    return snapshot(*(seen(name) for name in of.nodes))


def test_another_zone_comes_first_and_then_one_more() -> None:
    f = zoned(a="1", b="1", c="2", d="2", e="3")
    chosen = list(peers_of(WEB, NodeName("a"), f, everyone(f)))
    assert set(chosen) == {"b", "c", "d", "e"}
    assert {f.nodes[name].labels["zone"] for name in chosen[:2]} == {"2", "3"}


def test_its_own_node_and_those_that_are_silent_or_cordoned_keep_nothing() -> None:
    f = fleet(node("a"), node("b"), node("c"), node("d"))
    s = snapshot(seen("a"), silent("b"), seen("c", cordoned="repairs"), seen("d"))
    assert list(peers_of(WEB, NodeName("a"), f, s)) == ["d"]


def test_a_fleet_spreads_evenly_and_a_node_that_goes_moves_only_its_own() -> None:
    f = fleet(*(node(f"n{number}") for number in range(10)))
    agents = [AgentId(f"web-{number}") for number in range(500)]
    home = NodeName("n0")

    def chosen(s: Snapshot) -> dict[AgentId, NodeName]:
        return {one: next(islice(peers_of(one, home, f, s), 1)) for one in agents}

    before = chosen(everyone(f))
    assert max(Counter(before.values()).values()) < 2 * 500 / 9
    after = chosen(snapshot(*(seen(name) for name in f.nodes if name != "n5"), silent("n5")))
    moved = {one for one in agents if before[one] != after[one]}
    assert moved == {one for one, peer in before.items() if peer == "n5"}


def test_the_highest_epoch_is_the_latest_whatever_the_clocks_said() -> None:
    found = shelves(a=shelf(mark(1, at=99)), b=shelf(mark(2, at=5), mark(2, at=4)))
    latest = newest(WEB, found)
    assert latest is not None
    assert latest.id == mark(2, at=5)
    assert newest(AgentId("other-0"), found) is None


def test_the_last_ones_stay_wherever_they_are() -> None:
    found = shelves(a=shelf(mark(1), mark(2)), b=shelf(mark(1), mark(3)), c=shelf(of="db-0"))
    assert surplus(WEB, found, 2, (mark(4),)) == {
        "a": (mark(1), mark(2)),
        "b": (mark(1),),
    }
    assert surplus(WEB, found, 3) == {}


def test_what_a_node_has_of_an_epoch_is_later_than_its_checkpoints() -> None:
    found = shelves(a=shelf(mark(1), mark(2)), b=shelf(mark(2), mark(3, at=2), mark(3)))
    offered = offers(WEB, found, above=1, target=NodeName("b"))
    assert [(offer.kept.id, offer.nodes) for offer in offered] == [
        (mark(3, at=2), ("b",)),
        (mark(3), ("b",)),
        (mark(2), ("b", "a")),
    ]
    assert offers(WEB, found, above=3, target=NodeName("b")) == ()


def planned(
    s: Snapshot,
    found: dict[NodeName, Shelf],
    *,
    epochs: dict[AgentId, int],
    dead: Sequence[str] = ("a",),
) -> Plan:
    f = fleet(node("a"), node("b"), agents=[KEPT, spec("db")])
    start = [
        steps.start(AgentId(one), NodeName("b"), "it is dead", digest="d")
        for one in ("db-0", "web-0")
    ]
    plan = Plan("apply", tuple(start))
    assert [step.agent for step in restorable(plan, f)] == ["web-0"]
    state = State("test", "f00d", 4, epochs=epochs)
    return with_restores(plan, f, state, s, shelves=found, silent=tuple(map(NodeName, dead)))


def test_a_plan_says_what_is_begun_from_and_what_is_lost() -> None:
    s = snapshot(silent("a"), seen("b"))
    plan = planned(s, shelves(b=shelf(mark(3), age=42.0)), epochs={WEB: 3})
    db, web = plan.steps
    assert (web.action, web.changes[-1].name) == (Action.START, "state")
    assert web.changes[-1].after == "from its last checkpoint, 42s old"
    assert "state" not in {change.name for change in db.changes}
    assert plan.notes == (
        "web-0 (42s old) starts from its last checkpoint; what it acknowledged since is lost",
    )
    assert plan.warnings == ()


def test_a_plan_warns_of_an_agent_that_starts_empty_unless_it_is_a_new_one() -> None:
    s = snapshot(silent("a"), seen("b"))
    plan = planned(s, shelves(b=shelf()), epochs={WEB: 3})
    assert plan.warnings == (
        "web-0 starts empty: no checkpoint on any node that answers; a may have one",
    )
    assert plan.steps[1].changes[-1].known is False
    new = planned(s, shelves(b=shelf()), epochs={})
    assert (new.warnings, new.notes) == ((), ())


def test_an_agent_that_was_purged_misses_nothing() -> None:
    s = snapshot(seen("a"), seen("b"))
    plan = planned(s, shelves(a=shelf(), b=shelf()), epochs={WEB: 3}, dead=())
    assert (plan.warnings, plan.notes) == ((), ())


def test_an_agent_that_was_stopped_there_keeps_its_state() -> None:
    stopped = agent("web-0", AgentState.STOPPED, epoch=3)
    s = snapshot(silent("a"), seen("b", stopped))
    plan = planned(s, shelves(b=shelf(mark(3))), epochs={WEB: 3})
    assert (plan.warnings, plan.notes) == ((), ())
