"""Plans that start agents."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Plan
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)
from phoenixctl.planning.lifecycle import ALIVE, plan_start
from tests.builders import GiB, agent, fleet, instances, node, seen, silent, snapshot, spec

WEB = spec("web", replicas=2)
TWO = fleet(node("a"), node("b"), agents=[WEB])


def start(f: Fleet, s: Snapshot, *ids: str, dead: tuple[str, ...] = ()) -> Plan:
    return plan_start(instances(f, *ids), f, s, assume_dead=frozenset(map(NodeName, dead)))


def starts(plan: Plan) -> dict[str, str]:
    assert {step.action for step in plan.steps} <= {Action.START, Action.STOP}
    return {str(s.agent): s.node for s in plan.steps if s.action is Action.START}


def test_agents_that_run_nowhere_are_started_where_placement_puts_them() -> None:
    plan = start(TWO, snapshot(seen("a"), seen("b")))
    assert starts(plan) == {"web-0": "a", "web-1": "b"}
    assert {step.reason for step in plan.steps} == {"it does not run anywhere"}
    assert plan.warnings == ()


def test_starting_what_runs_changes_nothing_and_says_where_it_runs() -> None:
    running = snapshot(seen("a", agent("web-0", of=WEB)), seen("b", agent("web-1", of=WEB)))
    plan = start(TWO, running)
    assert plan.steps == ()
    assert plan.unchanged == ("web-0 runs on a", "web-1 runs on b")
    assert plan.warnings == ()


def test_only_what_is_missing_is_started() -> None:
    half = snapshot(seen("a", agent("web-0", of=WEB)), seen("b"))
    assert starts(start(TWO, half)) == {"web-1": "b"}


def test_an_agent_that_is_being_stopped_is_started_there_after_it() -> None:
    """The command that starts it waits on the node until the stop has ended."""
    there = snapshot(seen("a", agent("web-0", AgentState.STOPPING, of=WEB)), seen("b"))
    assert starts(start(TWO, there, "web-0")) == {"web-0": "a"}


def test_an_agent_in_an_unknown_or_passing_state_is_not_started_a_second_time() -> None:
    for state in (AgentState.UNKNOWN, AgentState.STARTING):
        there = snapshot(seen("a", agent("web-0", state, of=WEB)), seen("b"))
        assert "web-0" not in starts(start(TWO, there))


def test_a_stopped_agent_comes_back_to_where_its_state_is() -> None:
    busy_home = seen("b", agent("x-0"), agent("x-1"), agent("web-0", AgentState.STOPPED))
    plan = start(TWO, snapshot(seen("a"), busy_home), "web-0")
    assert starts(plan) == {"web-0": "b"}
    assert plan.steps[0].reason == "it is stopped there"


def test_the_home_with_the_highest_epoch_is_the_latest() -> None:
    old, new = (agent("web-0", AgentState.STOPPED, epoch=epoch) for epoch in (3, 4))
    assert starts(start(TWO, snapshot(seen("a", old), seen("b", new)), "web-0")) == {"web-0": "b"}


def test_an_agent_whose_home_is_cordoned_is_started_elsewhere() -> None:
    home = seen("b", agent("web-0", AgentState.STOPPED), cordoned="new disk")
    plan = start(TWO, snapshot(seen("a"), home), "web-0")
    assert starts(plan) == {"web-0": "a"}
    assert plan.steps[0].reason == "it does not run anywhere"


def test_a_failed_agent_comes_home_though_it_asks_for_most_of_the_node() -> None:
    big = spec("big", memory=GiB(6), cpu=3)
    f = fleet(node("a"), node("b"), agents=[big])
    failed = snapshot(seen("a"), seen("b", agent("big-0", AgentState.FAILED)))
    plan = start(f, failed)
    assert starts(plan) == {"big-0": "b"}
    assert plan.steps[0].reason == "it is failed there"


def test_two_agents_that_both_come_home_do_not_overcommit_it() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("big", replicas=2, memory=GiB(5))])
    both = [agent(f"big-{n}", AgentState.STOPPED) for n in (0, 1)]
    assert starts(start(f, snapshot(seen("a", *both), seen("b")))) == {"big-0": "a", "big-1": "b"}


def test_an_agent_without_a_home_leaves_room_for_those_that_have_one() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("new", memory=GiB(6)), spec("old", memory=GiB(5))])
    home = seen("a", agent("old-0", AgentState.STOPPED))
    assert starts(start(f, snapshot(home, seen("b")))) == {"old-0": "a", "new-0": "b"}


def test_agents_that_may_run_on_a_silent_node_are_left_alone_and_the_way_out_is_named() -> None:
    plan = start(TWO, snapshot(seen("a"), silent("b")))
    assert plan.steps == ()
    [warning] = plan.warnings
    assert warning == (
        "web-0, web-1: left alone, may run on b, which does not answer;"
        " if that machine is dead: --assume-dead b"
    )


def test_it_is_left_alone_even_when_a_stopped_copy_is_seen() -> None:
    copy = seen("a", agent("web-0", AgentState.STOPPED))
    assert start(TWO, snapshot(copy, silent("b")), "web-0").steps == ()


def test_with_the_silent_node_given_up_for_dead_it_is_started() -> None:
    plan = start(TWO, snapshot(seen("a"), silent("b")), "web-0", dead=("b",))
    assert starts(plan) == {"web-0": "a"}
    assert plan.warnings == ()


def test_every_silent_node_must_be_vouched_for() -> None:
    f = fleet(node("a"), node("b"), node("c"), agents=[WEB])
    plan = start(f, snapshot(seen("a"), silent("b"), silent("c")), "web-0", dead=("b",))
    assert plan.steps == ()
    assert plan.warnings[0].endswith("if that machine is dead: --assume-dead c")


def test_a_silent_node_that_could_never_hold_it_is_no_hindrance() -> None:
    f = fleet(
        node("a"), node("b", pool="db"),
        agents=[spec("pooled", pools=("main",)), spec("named", nodes=["a"])],
    )  # fmt: skip
    plan = start(f, snapshot(seen("a"), silent("b")))
    assert starts(plan) == {"pooled-0": "a", "named-0": "a"}


def test_an_agent_that_fits_nowhere_is_a_warning_with_each_nodes_reason() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("big", memory=GiB(9))])
    plan = start(f, snapshot(seen("a"), seen("b", cordoned="x")))
    assert plan.steps == ()
    assert plan.warnings == (
        (
            "big-0 fits on no node: a (memory: needs 9GiB, has 8GiB),"
            " b (cordon: needs not cordoned, has cordoned by op@here)"
        ),
    )


def test_an_agent_that_runs_twice_or_with_an_older_spec_is_pointed_out() -> None:
    twice = snapshot(seen("a", agent("web-0")), seen("b", agent("web-0")))
    assert start(TWO, twice, "web-0").warnings == (
        "web-0 runs 2 times, on a and b; stop it and start it once",
        "web-0 runs an older spec; apply it with `agents restart web-0`",
    )


@st.composite
def moments(draw: st.DrawFn) -> Snapshot:
    """Two replicas of WEB in any state on nodes in any condition."""

    def some(name: str) -> AgentObservation | None:
        state = draw(st.sampled_from([None, *AgentState]))
        return None if state is None else agent(name, state, of=WEB)

    looks: list[NodeObservation | NodeUnobserved] = []
    for name in ("a", "b"):
        there = [a for a in (some("web-0"), some("web-1")) if a is not None]
        cordoned = draw(st.sampled_from([None, "x"]))
        here = seen(name, *there, cordoned=cordoned)
        looks.append(draw(st.sampled_from([here, silent(name)])))
    return snapshot(*looks)


@given(moments())
def test_nothing_that_may_run_is_ever_started_again(s: Snapshot) -> None:
    for step in start(TWO, s).steps:
        assert step.agent is not None
        assert not s.unobserved() or step.reason == "a stop of it was under way"
        alive = [a for a in s.find(step.agent) if a.state in ALIVE]
        # The start of one that is going waits for its end, on its own node.
        assert all(a.state is AgentState.STOPPING and a.node == step.node for a in alive)


@given(moments())
def test_every_agent_is_started_or_spoken_of(s: Snapshot) -> None:
    plan = start(TWO, s)
    said = " ".join((*plan.unchanged, *plan.warnings))
    for wanted in ("web-0", "web-1"):
        assert (wanted in starts(plan)) != (wanted in said)


def test_a_failed_copy_left_behind_is_stopped_before_the_agent_starts_elsewhere() -> None:
    """Its unit is still enabled: when that node reboots, the agent would run twice."""
    f = fleet(node("a"), node("b"), agents=[spec("web")])
    failed = agent("web-0", AgentState.FAILED)
    plan = start(f, snapshot(seen("a", failed, cordoned="repair"), seen("b")))
    assert [(s.action, s.node) for s in plan.steps] == [(Action.STOP, "a"), (Action.START, "b")]
    assert plan.steps[1].after == (plan.steps[0].key,)


def test_a_stopped_copy_left_behind_stays_as_it_is() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web")])
    stopped = agent("web-0", AgentState.STOPPED)
    plan = start(f, snapshot(seen("a", stopped, cordoned="repair"), seen("b")))
    assert [(s.action, s.node) for s in plan.steps] == [(Action.START, "b")]


def test_an_agent_is_started_on_the_node_that_is_asked_for_if_it_fits_there() -> None:
    f = fleet(node("a"), node("b"), agents=[spec("web", memory=GiB(2))])
    s = snapshot(seen("a"), seen("b", agent("old-0")))
    plan = plan_start(instances(f), f, s, on=NodeName("b"))
    assert [(step.agent, step.node) for step in plan.steps] == [("web-0", "b")]
    tight = snapshot(seen("a"), seen("b", memory=GiB(1), cordoned="test"))
    refused = plan_start(instances(f), f, tight, on=NodeName("b"))
    assert refused.steps == ()
    (why,) = refused.warnings
    assert why == (
        "web-0 does not fit on b (cordon: needs not cordoned, has cordoned by op@here,"
        " memory: needs 2GiB, has 1GiB)"
    )
