"""What a plan relies on, and how it is told that it has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan, Step, Stopping
from phoenixctl.model.snapshot import AgentState, NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.planning.cordons import plan_cordon
from phoenixctl.planning.drain import plan_drain
from phoenixctl.planning.fingerprint import fingerprint, stale, with_fingerprints
from phoenixctl.planning.lifecycle import plan_restart, plan_start, plan_stop
from phoenixctl.planning.protect import plan_protect
from tests.builders import GiB, agent, fleet, instances, node, seen, silent, snapshot, spec

A = NodeName("a")
WEB = spec("web")
NO_RECORD = State("test", "", 0)
RECORD = State("test", "l", 1, nodes={A: NodeRecord(node("a"), "local", "a", joined="none")})
IDLE = snapshot(seen("a"))
BUSY = snapshot(seen("a", agent("web-0", of=WEB)))


def step(action: Action, agent_id: str | None = None) -> Step:
    return Step(action, A, None if agent_id is None else AgentId(agent_id), "why")


def relying(plan_step: Step, on: Snapshot, state: State = RECORD) -> tuple[Step, ...]:
    return with_fingerprints(Plan("p", (plan_step,)), on, state).steps


def test_every_kind_of_step_relies_on_something_and_is_fresh_at_once() -> None:
    for action in Action:
        about = "web-0" if action.value.endswith("agent") else None
        steps = relying(step(action, about), BUSY)
        assert steps[0].relies_on, action
        assert stale(steps, BUSY, RECORD) == ()


def test_the_plans_of_nodes_and_agents_rely_on_what_they_are_about() -> None:
    f = fleet(node("a"), agents=[WEB])
    for plan in (
        plan_start(instances(f), f, IDLE), plan_stop([AgentId("web-0")], BUSY),
        plan_restart(instances(f), BUSY, at_once=1),
        plan_drain([A], f, RECORD, BUSY, {}, stop=Stopping.ALL),
        plan_cordon([A], BUSY), plan_protect([A], RECORD),
    ):  # fmt: skip
        steps = with_fingerprints(plan, BUSY, RECORD).steps
        assert steps
        assert all(found.relies_on for found in steps)


@pytest.mark.parametrize(
    ("action", "before", "now", "said"),
    [
        (Action.CORDON, seen("a"), seen("a", cordoned="x"), "a is cordoned now"),
        (Action.UNCORDON, seen("a", cordoned="x"), seen("a"), "a is not cordoned any more"),
        (Action.DESTROY, silent("a"), seen("a"), "a answers again"),
        (Action.DESTROY, seen("a", agent("web-0")), seen("a", agent("web-0", epoch=2)),
         "web-0 on a was started anew"),
    ],
)  # fmt: skip
def test_what_has_changed_on_a_node_is_said_in_words(
    action: Action,
    before: NodeObservation | NodeUnobserved,
    now: NodeObservation | NodeUnobserved,
    said: str,
) -> None:
    assert stale(relying(step(action), snapshot(before)), snapshot(now), RECORD) == (said,)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (agent("web-0", AgentState.FAILED, of=WEB), "web-0 on a has failed"),
        (agent("web-0", AgentState.STOPPED, of=WEB), "web-0 on a is stopped now"),
        (agent("web-0", of=spec("web", memory=GiB(1))),
         "web-0 on a was started with another specification"),
        (agent("web-0", of=WEB, epoch=7), "web-0 on a was started anew"),
        (agent("other-0"), "web-0 on a is not there any more"),
    ],
)  # fmt: skip
def test_what_has_become_of_an_agent_is_said_in_words(now, said: str) -> None:
    for action in (Action.STOP, Action.DRAIN, Action.UPDATE, Action.RESTART):
        steps = relying(step(action, "web-0"), BUSY)
        assert stale(steps, snapshot(seen("a", now)), RECORD) == (said,)


def test_an_agent_that_runs_meanwhile_is_not_started() -> None:
    steps = relying(step(Action.START, "web-0"), IDLE)
    assert stale(steps, BUSY, RECORD) == ("web-0 on a runs now",)


def test_a_node_that_was_cordoned_meanwhile_gets_no_agent() -> None:
    steps = relying(step(Action.START, "web-0"), IDLE)
    cordoned = snapshot(seen("a", cordoned="repair"))
    assert stale(steps, cordoned, RECORD) == ("a is cordoned now",)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (NO_RECORD, "a is not in the record any more"),
        (replace(RECORD, nodes={A: replace(RECORD.nodes[A], id="i-2")}),
         "a is recorded as another machine now"),
        (replace(RECORD, nodes={A: replace(RECORD.nodes[A], protected=True)}),
         "a is protected now"),
    ],
)  # fmt: skip
def test_what_is_recorded_otherwise_is_said_in_words(now: State, said: str) -> None:
    assert stale(relying(step(Action.DESTROY), IDLE), IDLE, now) == (said,)


def test_a_node_that_does_not_answer_now_says_nothing() -> None:
    for action in (Action.CORDON, Action.DESTROY, Action.JOIN):
        assert stale(relying(step(action), BUSY), snapshot(silent("a")), RECORD) == ()
    assert stale(relying(step(Action.STOP, "web-0"), BUSY), snapshot(silent("a")), RECORD) == ()


def test_a_node_that_was_still_booting_may_answer_when_it_is_joined() -> None:
    booting = snapshot(silent("a"))
    for planned in (step(Action.JOIN), step(Action.START, "web-0")):
        assert stale(relying(planned, booting), IDLE, RECORD) == ()


def test_passing_states_and_measured_values_make_no_plan_stale() -> None:
    starting = snapshot(seen("a", agent("web-0", AgentState.STARTING, of=WEB)))
    busy = snapshot(seen("a", agent("web-0", of=WEB, pid=4711, ready=False), memory=GiB(1)))
    for before, now in ((starting, BUSY), (BUSY, starting), (BUSY, busy)):
        assert stale(relying(step(Action.DRAIN, "web-0"), before), now, RECORD) == ()


def test_a_fingerprint_is_a_line_of_words() -> None:
    assert fingerprint("node.a", BUSY, RECORD) == (
        "recorded=a; joined=none; protected=no; answers=yes; cordoned=no"
    )
    assert fingerprint("agent.gone-1@a", BUSY, RECORD) == "state=absent"
    assert fingerprint("node.new-1", BUSY, RECORD) == "recorded=no"


def test_steps_that_rely_on_the_same_say_what_has_changed_once() -> None:
    both = (step(Action.START, "web-0"), step(Action.START, "web-1"))
    steps = with_fingerprints(Plan("p", both), IDLE, RECORD).steps
    cordoned = snapshot(seen("a", cordoned="repair"))
    assert stale(steps, cordoned, RECORD) == ("a is cordoned now",)
