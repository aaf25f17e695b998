"""A singleton is never planned to be active twice; standbys and copies that are held back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.instance import Phase
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Plan
from phoenixctl.model.snapshot import AgentState
from phoenixctl.planning.drain import plan_drain
from phoenixctl.planning.fingerprint import stale, with_fingerprints
from phoenixctl.planning.lifecycle import plan_start, plan_stop
from phoenixctl.planning.proof import Leases
from phoenixctl.remote.lease import WAITS
from tests.builders import agent, fleet, instances, node, seen, silent, snapshot, spec
from tests.unit.planning.changing import changes, instance, keys, made, record, recorded

ONE: AgentSpec = spec("one", singleton=True, lease_seconds=60.0)
B = frozenset({NodeName("b")})
HOSTS = fleet(node("a"), node("b"), agents=[ONE])
ON_B = recorded(
    record("a", provider="static"), record("b", provider="static"), agents={"one-0": "b"}
)


def lost(**more: object) -> Plan:
    """The plan while its node does not answer."""
    return changes(HOSTS, seen("a"), silent("b"), state=ON_B, **more)  # type: ignore[arg-type]


def over(seconds: float) -> Leases:
    return Leases({AgentId("one-0"): seconds})


def test_taking_a_node_for_dead_is_no_proof() -> None:
    plan = lost(assume_dead=B)
    assert keys(plan) == []
    [warning] = plan.warnings
    assert warning.startswith("one-0: a singleton, left alone, may run on b")
    assert "--fenced b" in warning
    ordinary = replace(HOSTS, agents={"one": replace(ONE, singleton=False, lease_seconds=None)})
    free = changes(ordinary, seen("a"), silent("b"), state=ON_B, assume_dead=B)
    assert keys(free) == ["start agent one-0@a"]


def test_what_is_certain_lets_it_start_elsewhere() -> None:
    assert keys(lost(assume_dead=B, fenced=B)) == ["start agent one-0@a"]


@pytest.mark.parametrize("left", [0.0, -5.0])
def test_a_lease_that_is_over_is_proof_and_is_looked_at_again(left: float) -> None:
    plan = lost(leases=over(left))
    assert keys(plan) == ["start agent one-0@a"]
    looked = snapshot(seen("a"), silent("b"))
    [step] = with_fingerprints(plan, looked, ON_B).steps
    assert step.relies_on["lease.one-0"] == "over"
    assert "node.a" in step.relies_on
    assert stale([step], looked, ON_B) == ()


def test_a_lease_that_is_not_over_is_none() -> None:
    plan = lost(leases=over(41.2))
    assert keys(plan) == []
    assert any("its lease has surely run out in 42s" in text for text in plan.warnings)
    without = replace(HOSTS, agents={"one": replace(ONE, lease_seconds=None)})
    plan = changes(without, seen("a"), silent("b"), state=ON_B)
    assert any("it has no lease" in text for text in plan.warnings)


@pytest.mark.parametrize(
    ("phase", "starts"), [(Phase.STOPPED, True), (Phase.STOPPING, False), (Phase.RUNNING, False)]
)
def test_an_instance_that_its_provider_has_stopped_is_proof(phase: Phase, starts: bool) -> None:
    f = made(2, agents=[ONE])
    f = replace(f, pools={"web": replace(f.pools["web"], provider="aws")})
    both = [record(name, provider="aws") for name in ("web-1", "web-2")]
    state = recorded(*both, agents={"one-0": "web-2"})
    listed = {"web": (instance("web-1"), instance("web-2", phase=phase))}
    plan = changes(f, seen("web-1"), silent("web-2"), state=state, listed=listed)
    assert ("start agent one-0@web-1" in keys(plan)) is starts
    local = made(2, agents=[ONE])  # its agents may outlive an embedded node
    state = recorded(record("web-1"), record("web-2"), agents={"one-0": "web-2"})
    plan = changes(local, seen("web-1"), silent("web-2"), state=state, listed=listed)
    assert not any(key.startswith("start agent") for key in keys(plan))


def test_it_starts_after_the_silent_node_that_is_destroyed_whatever_was_said() -> None:
    f = made(1, agents=[ONE])
    state = recorded(record("web-1"), agents={"one-0": "web-1"})
    web = NodeName("web-1")
    plan = changes(f, silent("web-1"), state=state, replace=(web,), assume_dead=frozenset({web}))
    [start] = [step for step in plan.steps if step.key.startswith("start agent one-0")]
    assert "destroy node web-1" in start.after


def test_agents_start_wants_the_same_proof() -> None:
    looked = snapshot(seen("a"), silent("b"))
    agents = instances(HOSTS)
    held = plan_start(agents, HOSTS, looked, assume_dead=B)
    assert held.steps == ()
    assert "--fenced b" in held.warnings[0]
    assert len(plan_start(agents, HOSTS, looked, assume_dead=B, fenced=B).steps) == 1
    [step] = plan_start(agents, HOSTS, looked, leases=over(-1)).steps
    assert step.relies_on == {"lease.one-0": "over"}


def test_of_two_copies_the_one_with_the_older_epoch_ends() -> None:
    old = agent("one-0", of=ONE, epoch=3)
    new = agent("one-0", of=ONE, epoch=4)
    state = recorded(
        record("a", provider="static"), record("b", provider="static"), agents={"one-0": "a"}
    )
    plan = changes(HOSTS, seen("a", new), seen("b", old), state=state)
    assert keys(plan) == ["stop agent one-0@b"]


def test_a_copy_that_its_node_holds_back_is_stopped_once_the_agent_runs_elsewhere() -> None:
    old = agent("one-0", AgentState.STOPPED, of=ONE, held=WAITS)
    new = agent("one-0", of=ONE, epoch=4)
    plan = changes(HOSTS, seen("a", new), seen("b", old))
    assert keys(plan) == ["stop agent one-0@b"]
    assert plan.steps[0].reason == f"it is held back there ({WAITS}) and runs on a"
    stopped = agent("one-0", AgentState.STOPPED, of=ONE)
    assert keys(changes(HOSTS, seen("a", new), seen("b", stopped))) == []


def test_one_that_waits_for_permission_is_started_where_it_waits() -> None:
    old = agent("one-0", AgentState.STOPPED, of=ONE, held=WAITS)
    plan = changes(HOSTS, seen("a"), seen("b", old))
    assert keys(plan) == ["start agent one-0@b"]
    assert plan.steps[0].reason == "it waits for permission"


def test_a_standby_is_no_second_copy_and_does_not_stay() -> None:
    active = agent("one-0", of=ONE, epoch=3)
    standby = agent("one-0", of=ONE, epoch=4, role="standby")
    plan = changes(HOSTS, seen("a", active), seen("b", standby))
    assert keys(plan) == ["stop agent one-0@b"]
    assert plan.steps[0].reason == "it is a standby there and runs on a"


def test_a_standby_alone_makes_room_for_a_start() -> None:
    standby = agent("one-0", of=ONE, epoch=4, role="standby")
    f = fleet(node("a"), agents=[ONE])
    plan = changes(f, seen("a", standby))
    assert keys(plan) == ["stop agent one-0@a", "start agent one-0@a"]
    assert plan.steps[1].after == ("stop agent one-0@a",)


def test_a_drain_ends_a_standby() -> None:
    active = agent("one-0", of=ONE, epoch=3)
    standby = agent("one-0", of=ONE, epoch=4, role="standby")
    looked = snapshot(seen("a", active), seen("b", standby))
    plan = plan_drain([NodeName("b")], HOSTS, ON_B, looked, {})
    assert "drain agent one-0@b" in keys(plan)
    assert not any(key.startswith("start") for key in keys(plan))


def test_one_that_is_held_back_can_be_stopped_for_good() -> None:
    held = agent("one-0", AgentState.STOPPED, of=ONE, held="fenced at epoch 4")
    plan = plan_stop([AgentId("one-0")], snapshot(seen("a", held)))
    assert keys(plan) == ["stop agent one-0@a"]
    assert plan.steps[0].reason == "it is held back (fenced at epoch 4)"
