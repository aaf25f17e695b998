"""The record brought up to date with what there is, or built anew from it."""

from __future__ import annotations

from dataclasses import replace

from phoenixctl.model.errors import Unreachable
from phoenixctl.model.fleet import Fleet, Pool
from phoenixctl.model.instance import Instance, Phase
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.snapshot import AgentState
from phoenixctl.model.state import AgentRecord, NodeRecord, State
from phoenixctl.planning.adopt import differences, rebuilt_state, refreshed_state
from phoenixctl.remote.agents import spec_digest
from tests.builders import agent, fleet, node, seen, silent, snapshot, spec

WEB = spec("web", replicas=2)
DIGEST = spec_digest(WEB)
A, W1, W2 = NodeName("a"), NodeName("web-1"), NodeName("web-2")
ID = AgentId("web-0")
EMPTY = State("test", "", 0)


def cloud(*nodes: str) -> Fleet:
    """A host, and a pool that is made."""
    f = fleet(node("a"), *(node(n, pool="web") for n in nodes), agents=[WEB])
    return replace(f, pools={**f.pools, "web": Pool("web", "local", size=2)})


def instance(name: str, lineage: str = "l", **more: object) -> Instance:
    more.setdefault("id", f"i-{name}")
    return replace(Instance(node(name, pool="web"), "?", lineage=lineage), **more)  # type: ignore[arg-type]


def record(name: str, pool: str = "web", provider: str = "local", **more: object) -> NodeRecord:
    more.setdefault("joined", "none")
    return replace(NodeRecord(node(name, pool=pool), provider, f"i-{name}"), **more)  # type: ignore[arg-type]


def test_a_lost_record_is_built_anew_from_nodes_and_providers() -> None:
    found = snapshot(
        seen("a", agent("web-1", of=WEB, epoch=4), joined="none"),
        seen("web-1", agent("web-0", of=WEB, epoch=7), joined="b1"),
    )
    listed = {"web": (instance("web-1", kind="m5.large", zone="z1", protected=True),)}
    state = rebuilt_state(cloud("web-1"), found, listed, before=EMPTY)
    assert state.lineage == "l"
    assert {n: (r.provider, r.id, r.joined) for n, r in state.nodes.items()} == {
        "a": ("static", "a", "none"), "web-1": ("local", "i-web-1", "b1"),
    }  # fmt: skip
    assert (state.nodes[W1].kind, state.nodes[W1].zone, state.nodes[W1].protected) == (
        "m5.large", "z1", True,
    )  # fmt: skip
    assert {a: (r.node, r.epoch) for a, r in state.agents.items()} == {
        "web-0": ("web-1", 7), "web-1": ("a", 4),
    }  # fmt: skip
    assert state.specs == {DIGEST: WEB}


def test_a_host_that_has_not_joined_is_not_taken_in() -> None:
    state = rebuilt_state(cloud(), snapshot(seen("a")), {"web": ()}, before=EMPTY)
    assert state.nodes == {}


def test_nodes_of_two_other_records_are_taken_in_without_taking_a_lineage() -> None:
    listed = {"web": (instance("web-1", "l"), instance("web-2", "m"))}
    both = snapshot(seen("a"), seen("web-1"), seen("web-2"))
    state = rebuilt_state(cloud("web-1", "web-2"), both, listed, before=EMPTY)
    assert set(state.nodes) == {"web-1", "web-2"}
    assert state.lineage == ""


def test_a_record_keeps_its_lineage_when_it_takes_in_others() -> None:
    listed = {"web": (instance("web-1", "other"),)}
    before = State("test", "mine", 5)
    state = rebuilt_state(cloud("web-1"), snapshot(seen("web-1")), listed, before=before)
    assert (state.lineage, set(state.nodes)) == ("mine", {"web-1"})


def test_of_two_with_one_name_the_running_one_is_taken_in() -> None:
    twice = (instance("web-1", id="i-1", phase=Phase.STOPPED), instance("web-1", id="i-2"))
    state = rebuilt_state(cloud("web-1"), snapshot(silent("web-1")), {"web": twice}, before=EMPTY)
    assert state.nodes[W1].id == "i-2"


def test_a_node_that_is_taken_in_unseen_is_not_said_to_be_empty() -> None:
    listed = {"web": (instance("web-1"),)}
    state = rebuilt_state(cloud("web-1"), snapshot(silent("web-1")), listed, before=EMPTY)
    assert state.nodes[W1].joined == "unknown"


def test_an_agent_found_twice_is_recorded_where_it_was_recorded_else_where_it_is_latest() -> None:
    twice = snapshot(
        seen("a", agent("web-0", of=WEB, epoch=2)), seen("web-1", agent("web-0", of=WEB, epoch=3))
    )
    listed = {"web": (instance("web-1"),)}
    latest = rebuilt_state(cloud("web-1"), twice, listed, before=EMPTY)
    assert latest.agents[ID].node == "web-1"
    before = State("test", "l", 1, agents={ID: AgentRecord(ID, A, DIGEST, 2)})
    kept = rebuilt_state(cloud("web-1"), twice, listed, before=before)
    assert kept.agents[ID].node == "a"


RECORDED = State(
    "test", "l", 3,
    nodes={W1: record("web-1"), W2: record("web-2")},
    agents={ID: AgentRecord(ID, W1, DIGEST, 2)},
)  # fmt: skip


def test_refreshing_drops_what_is_gone_and_follows_what_has_moved() -> None:
    listed = {"web": (instance("web-2"),)}
    there = snapshot(silent("web-1"), seen("web-2", agent("web-0", of=WEB, epoch=3), joined="none"))
    state = refreshed_state(cloud("web-1", "web-2"), there, listed, before=RECORDED)
    assert set(state.nodes) == {"web-2"}
    assert state.agents[ID] == AgentRecord(ID, W2, DIGEST, 3)
    assert [(d.address, d.what) for d in differences(RECORDED, state)] == [
        ("node.web-1", "is dropped"), ("agent.web-0", "node web-1 -> web-2, epoch 2 -> 3"),
    ]  # fmt: skip


def test_refreshing_keeps_what_cannot_be_seen() -> None:
    quiet = snapshot(silent("web-1"), silent("web-2"))
    everything = cloud("web-1", "web-2")
    for listed in ((instance("web-1"), instance("web-2")), Unreachable("the cloud is down")):
        state = refreshed_state(everything, quiet, {"web": listed}, before=RECORDED)
        assert differences(RECORDED, state) == ()


def test_an_agent_that_ended_leaves_its_epoch() -> None:
    stopped = agent("web-0", AgentState.STOPPED, of=WEB, epoch=5)
    listed = {"web": (instance("web-1"), instance("web-2"))}
    there = snapshot(seen("web-1", stopped, joined="none"), seen("web-2", joined="none"))
    state = refreshed_state(cloud("web-1", "web-2"), there, listed, before=RECORDED)
    assert state.agents == {}
    assert state.epochs == {"web-0": 5}


def test_refreshing_takes_nothing_in() -> None:
    listed = {"web": (instance("web-1"), instance("web-2"), instance("web-3", "other"))}
    there = snapshot(
        seen("web-1", agent("web-0", of=WEB, epoch=2), joined="none"),
        seen("web-2", agent("web-1", of=WEB), joined="none"), seen("web-3"),
    )  # fmt: skip
    state = refreshed_state(cloud("web-1", "web-2", "web-3"), there, listed, before=RECORDED)
    assert differences(RECORDED, state) == ()


def test_a_node_that_lost_its_bootstrap_or_moved_is_told_in_words() -> None:
    moved = replace(instance("web-1"), node=node("web-1", pool="web", address="10.0.0.9"))
    there = snapshot(seen("web-1", agent("web-0", of=WEB, epoch=2)), silent("web-2"))
    listed = {"web": (moved, instance("web-2"))}
    state = refreshed_state(cloud("web-1", "web-2"), there, listed, before=RECORDED)
    assert [(d.address, d.what) for d in differences(RECORDED, state)] == [
        ("node.web-1", "reached at web-1 -> 10.0.0.9, joined none -> nothing"),
    ]  # fmt: skip
