"""Agents in the difference: started, updated, moved, ended, never twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.fleet import Order, Pool, Rollout, SecretRef, Share
from phoenixctl.model.hooks import Drain, HttpHook
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Change, Inverse, Risk
from phoenixctl.model.snapshot import AgentState
from phoenixctl.model.state import AgentRecord
from phoenixctl.remote.agents import spec_digest
from tests.builders import GiB, MiB, agent, fleet, node, seen, silent, spec
from tests.unit.planning.changing import after, changes, keys, record, recorded

WEB = spec("web", replicas=2)
ONE = spec("web")
OLD = replace(ONE, env={"LEVEL": "debug"})
DIGEST = spec_digest(ONE)
SURGE = Rollout(Order.SURGE)


def hosts(*names: str, agents=(ONE,)):
    return fleet(*(node(n) for n in names), agents=agents)


def test_a_fleet_as_configured_needs_no_step_and_shows_nothing() -> None:
    plan = changes(
        hosts("a", agents=[WEB]), seen("a", agent("web-0", of=WEB), agent("web-1", of=WEB))
    )
    assert (plan.steps, plan.unchanged, plan.warnings, plan.breaches) == ((), (), (), ())


def test_what_runs_nowhere_is_started_where_placement_puts_it() -> None:
    plan = changes(hosts("a", "b", agents=[WEB]), seen("a"), seen("b"))
    assert keys(plan) == ["start agent web-0@a", "start agent web-1@b"]
    step = plan.steps[0]
    assert step.spec_digest == DIGEST
    assert step.inverse == Inverse(Action.STOP, DIGEST)
    assert step.changes == (Change("spec", None, DIGEST),)


def test_what_failed_is_started_at_home_and_what_changed_meanwhile_is_told() -> None:
    state = replace(recorded(record("a", provider="static"), record("b", provider="static")),
                    specs={spec_digest(OLD): OLD})  # fmt: skip
    home = seen("b", agent("web-0", AgentState.FAILED, of=OLD))
    plan = changes(hosts("a", "b"), seen("a"), home, state=state)
    assert keys(plan) == ["start agent web-0@b"]
    assert plan.steps[0].changes == (Change("env.LEVEL", "debug", None),)


def test_an_agent_that_may_run_on_a_silent_node_is_left_alone() -> None:
    plan = changes(hosts("a", "b"), seen("a"), silent("b"))
    assert plan.steps == ()
    assert plan.warnings == (
        "b does not answer (unreachable)",
        ("web-0: left alone, may run on b, which does not answer;"
         " if that machine is dead: --assume-dead b"),
    )  # fmt: skip
    dead = changes(hosts("a", "b"), seen("a"), silent("b"), assume_dead=frozenset({NodeName("b")}))
    assert (keys(dead), dead.warnings) == (["start agent web-0@a"], ())


def test_an_agent_recorded_on_a_silent_node_is_left_alone_though_its_spec_says_otherwise_now() -> (
    None
):
    elsewhere = replace(ONE, nodes=(NodeName("a"),))
    state = recorded(record("a", provider="static"), record("b", provider="static"),
                     agents={"web-0": "b"})  # fmt: skip
    plan = changes(hosts("a", "b", agents=[elsewhere]), seen("a"), silent("b"), state=state)
    assert plan.steps == ()


def test_a_changed_spec_is_updated_where_it_runs_attribute_by_attribute() -> None:
    before = spec("web", memory=MiB(256), env={"LEVEL": "info", "OLD": "x"}, stop_signal="TERM",
                  secrets={"TOKEN": SecretRef("env", "FIRST")})  # fmt: skip
    now = spec("web", memory=GiB(1), env={"LEVEL": "debug"}, command=("run", "a b"),
               secrets={"TOKEN": SecretRef("env", "SECOND")}, cpu=0.5)  # fmt: skip
    state = replace(recorded(record("a", provider="static")), specs={spec_digest(before): before})
    plan = changes(hosts("a", agents=[now]), seen("a", agent("web-0", of=before)), state=state)
    [step] = plan.steps
    assert (step.action, step.risk, step.reason) == (
        Action.UPDATE, Risk.DISRUPTIVE, "its spec has changed",
    )  # fmt: skip
    assert [(c.name, c.before, c.after) for c in step.changes] == [
        ("command", "sleep inf", "run 'a b'"),
        ("env.LEVEL", "info", "debug"),
        ("env.OLD", "x", None),
        ("resources.cpu", None, "500m"),
        ("resources.memory", "256MiB", "1GiB"),
        ("secrets.TOKEN", "env:FIRST", "env:SECOND"),
    ]
    assert step.spec_digest == spec_digest(now)
    assert step.inverse == Inverse(Action.UPDATE, spec_digest(before))


def test_of_a_spec_that_nobody_knows_only_its_digest_is_told() -> None:
    plan = changes(hosts("a"), seen("a", agent("web-0")))
    assert plan.steps[0].changes == (Change("spec", "0123456789ab", DIGEST),)


def test_an_update_by_surge_starts_elsewhere_before_the_old_one_is_drained() -> None:
    now = replace(ONE, rollout=SURGE)
    plan = changes(hosts("a", "b", agents=[now]), seen("a", agent("web-0", of=OLD)), seen("b"))
    assert keys(plan) == ["start agent web-0@b", "drain agent web-0@a"]
    assert after(plan, "drain agent web-0@a") == {"start agent web-0@b"}
    assert plan.steps[0].changes[0] == Change("node", "a", "b")
    assert (plan.steps[0].risk, plan.steps[1].risk) == (Risk.SAFE, Risk.DISRUPTIVE)


def test_where_no_other_node_has_room_it_is_updated_in_place_and_the_plan_says_so() -> None:
    now = replace(ONE, rollout=SURGE)
    plan = changes(hosts("a", agents=[now]), seen("a", agent("web-0", of=OLD)))
    assert keys(plan) == ["update agent web-0@a"]
    assert plan.notes == ("web-0 is updated in place: no other node has room for it",)


@pytest.mark.parametrize("order", list(Order))
def test_an_agent_moves_off_a_node_where_it_may_not_be_any_more(order: Order) -> None:
    now = replace(ONE, nodes=(NodeName("b"),), rollout=Rollout(order))
    plan = changes(hosts("a", "b", agents=[now]), seen("a", agent("web-0", of=now)), seen("b"))
    assert set(keys(plan)) == {"drain agent web-0@a", "start agent web-0@b"}
    first, second = keys(plan)
    assert first.startswith("start" if order is Order.SURGE else "drain")
    assert after(plan, second) == {first}


def test_an_agent_that_may_not_stay_and_fits_nowhere_is_not_taken_down_for_nothing() -> None:
    now = replace(ONE, nodes=(NodeName("b"),))
    plan = changes(hosts("a", "b", agents=[now]), seen("a", agent("web-0", of=now)),
                   seen("b", cordoned="repair"))  # fmt: skip
    assert plan.steps == ()
    assert plan.warnings[0].startswith(
        "web-0 stays on a, though it may not be there any more (nodes"
    )


def test_an_agent_on_a_cordoned_node_stays_and_is_updated_there() -> None:
    plan = changes(hosts("a", "b"), seen("a", agent("web-0", of=OLD), cordoned="repair"), seen("b"))
    assert keys(plan) == ["update agent web-0@a"]


def test_an_agent_that_is_being_stopped_is_started_there_again() -> None:
    plan = changes(
        hosts("a", "b"), seen("a", agent("web-0", AgentState.STOPPING, of=ONE)), seen("b")
    )
    assert [(s.key, s.reason) for s in plan.steps] == [
        ("start agent web-0@a", "a stop of it was under way")
    ]


# Not wanted.


def test_replicas_that_are_too_many_are_stopped() -> None:
    plan = changes(hosts("a"), seen("a", agent("web-0", of=ONE), agent("web-1", of=ONE)))
    [step] = plan.steps
    assert (step.key, step.reason, step.risk) == (
        "stop agent web-1@a", "web has 1 replica now", Risk.DISRUPTIVE,
    )  # fmt: skip
    assert step.inverse == Inverse(Action.START, DIGEST)


def test_with_a_drain_hook_they_are_drained() -> None:
    hooked = replace(ONE, drain=Drain(HttpHook("/drain")))
    there = seen("a", agent("web-0", of=hooked), agent("web-1", of=hooked))
    assert keys(changes(hosts("a", agents=[hooked]), there)) == ["drain agent web-1@a"]


def test_an_agent_whose_spec_is_gone_is_ended_as_its_recorded_spec_says() -> None:
    gone = spec("gone", drain=Drain(HttpHook("/drain")), port=80)
    state = recorded(record("a", provider="static"))
    there = seen("a", agent("gone-0", of=gone))
    assert keys(changes(hosts("a", agents=[]), there, state=state)) == ["stop agent gone-0@a"]
    known = replace(state, specs={spec_digest(gone): gone})
    plan = changes(hosts("a", agents=[]), there, state=known)
    assert keys(plan) == ["drain agent gone-0@a"]
    assert plan.steps[0].reason == "its spec left the configuration"


def test_a_failed_one_that_nobody_wants_is_put_away_and_a_stopped_one_stays() -> None:
    there = seen("a", agent("x-0", AgentState.FAILED), agent("x-1", AgentState.STOPPED))
    plan = changes(hosts("a", agents=[]), there)
    assert [(s.key, s.risk) for s in plan.steps] == [("stop agent x-0@a", Risk.SAFE)]


def test_room_that_is_made_is_used_in_the_same_plan() -> None:
    new, old = spec("new", memory=GiB(6)), spec("old", memory=GiB(6))
    plan = changes(hosts("a", agents=[new]), seen("a", agent("old-0", of=old)))
    assert keys(plan) == ["stop agent old-0@a", "start agent new-0@a"]
    assert after(plan, "start agent new-0@a") == {"stop agent old-0@a"}


# Twice.


def test_of_two_that_run_the_recorded_one_is_kept() -> None:
    state = recorded(record("a", provider="static"), record("b", provider="static"))
    record_a = AgentRecord(AgentId("web-0"), NodeName("a"), DIGEST, 1)
    state = replace(state, agents={record_a.id: record_a})
    twice = (seen("a", agent("web-0", of=ONE, epoch=1)), seen("b", agent("web-0", of=ONE, epoch=2)))
    plan = changes(hosts("a", "b"), *twice, state=state)
    assert [(s.key, s.reason) for s in plan.steps] == [("stop agent web-0@b", "it runs on a")]


def test_without_a_record_the_latest_is_kept() -> None:
    twice = (seen("a", agent("web-0", of=ONE, epoch=1)), seen("b", agent("web-0", of=ONE, epoch=2)))
    assert keys(changes(hosts("a", "b"), *twice)) == ["stop agent web-0@a"]


def test_one_that_may_not_stay_is_not_the_one_to_keep() -> None:
    now = replace(ONE, nodes=(NodeName("a"),))
    twice = (seen("a", agent("web-0", of=now, epoch=1)), seen("b", agent("web-0", of=now, epoch=2)))
    assert keys(changes(hosts("a", "b", agents=[now]), *twice)) == ["stop agent web-0@b"]


def test_a_failed_copy_beside_a_living_one_is_put_away() -> None:
    beside = seen("b", agent("web-0", AgentState.FAILED, of=ONE, epoch=9))
    plan = changes(hosts("a", "b"), seen("a", agent("web-0", of=ONE)), beside)
    assert [(s.key, s.risk) for s in plan.steps] == [("stop agent web-0@b", Risk.SAFE)]


def test_an_agent_that_moves_to_where_a_copy_of_it_is_put_away_waits_for_that() -> None:
    now = replace(ONE, nodes=(NodeName("b"),))
    failed = seen("b", agent("web-0", AgentState.FAILED, of=now))
    plan = changes(hosts("a", "b", agents=[now]), seen("a", agent("web-0", of=now)), failed)
    assert after(plan, "start agent web-0@b") == {"drain agent web-0@a", "stop agent web-0@b"}


# Rolling.


def rolling(replicas: int, order: Order = Order.IN_PLACE, **rollout: Share) -> object:
    return spec("web", replicas=replicas, rollout=Rollout(order, **rollout))


def older(of, *ids: str, **more: object):
    """Agents that run with an earlier specification."""
    return [agent(i, of=replace(of, env={"LEVEL": "debug"}), **more) for i in ids]


FOUR = [f"web-{n}" for n in range(4)]


@pytest.mark.parametrize(
    ("rollout", "at_once"),
    [
        ({}, 1),
        ({"max_unavailable": Share(count=2)}, 2),
        ({"max_unavailable": Share(ratio=0.5)}, 2),
        ({"max_unavailable": Share(ratio=1.0), "min_healthy": Share(ratio=0.75)}, 1),
        ({"max_unavailable": Share(ratio=1.0)}, 4),
    ],
)
def test_as_many_are_updated_at_once_as_the_stricter_rule_allows(rollout, at_once: int) -> None:
    web = rolling(4, **rollout)
    plan = changes(hosts("a", agents=[web]), seen("a", *older(web, *FOUR)))
    assert keys(plan) == [f"update agent {name}@a" for name in FOUR]
    for number, key in enumerate(keys(plan)):
        expected = set() if number < at_once else {keys(plan)[number - at_once]}
        assert after(plan, key) == expected


def test_what_is_down_is_brought_up_before_others_are_taken_down() -> None:
    web = rolling(4)
    there = seen("a", agent("web-0", AgentState.FAILED), *older(web, *FOUR[1:]))
    plan = changes(hosts("a", agents=[web]), there)
    assert keys(plan)[0] == "start agent web-0@a"
    assert after(plan, "update agent web-1@a") == {"start agent web-0@a"}


def test_when_more_are_down_than_are_allowed_others_wait_for_all_of_them() -> None:
    web = rolling(4)
    failed = [agent(name, AgentState.FAILED) for name in FOUR[:2]]
    plan = changes(hosts("a", agents=[web]), seen("a", *failed, *older(web, *FOUR[2:])))
    assert after(plan, "update agent web-2@a") == {"start agent web-0@a", "start agent web-1@a"}
    assert after(plan, "update agent web-3@a") == {"update agent web-2@a"}


def test_one_that_is_not_ready_is_updated_first_without_waiting() -> None:
    web = rolling(4)
    there = [*older(web, "web-0", "web-1", "web-3"), *older(web, "web-2", ready=False)]
    plan = changes(hosts("a", agents=[web]), seen("a", *there))
    assert after(plan, "update agent web-2@a") == set()
    assert after(plan, "update agent web-0@a") == {"update agent web-2@a"}


def test_what_is_down_for_good_uses_up_the_allowance() -> None:
    web = rolling(3, max_unavailable=Share(count=2))
    there = seen("a", *older(web, "web-0", "web-1"))
    plan = changes(hosts("a", "b", agents=[web]), there, silent("b"))
    assert keys(plan) == ["update agent web-0@a", "update agent web-1@a"]
    assert after(plan, "update agent web-1@a") == {"update agent web-0@a"}
    strict = rolling(3)
    refused = changes(hosts("a", "b", agents=[strict]), there, silent("b"))
    assert refused.steps == ()
    assert refused.warnings[-1] == (
        "web-0, web-1: left as they are, for 1 of 3 may be down at once, 1 are already; see"
        " agents.web.rollout (order: surge, or another max_unavailable or min_healthy)"
    )


def test_when_none_may_be_down_nothing_is_updated_in_place() -> None:
    web = rolling(2, min_healthy=Share(ratio=1.0))
    plan = changes(hosts("a", agents=[web]), seen("a", *older(web, "web-0", "web-1")))
    assert plan.steps == ()
    assert "agents.web.rollout" in plan.warnings[0]


def test_when_none_may_be_down_a_surge_goes_one_by_one() -> None:
    web = rolling(2, Order.SURGE, min_healthy=Share(ratio=1.0))
    plan = changes(
        hosts("a", "b", agents=[web]), seen("a", *older(web, "web-0", "web-1")), seen("b")
    )
    assert after(plan, "start agent web-1@b") == {"drain agent web-0@a"}


def test_specs_are_rolled_each_for_itself() -> None:
    web, db = rolling(2), spec("db", replicas=2)
    there = seen("a", *older(web, "web-0", "web-1"), *(agent(f"db-{n}") for n in (0, 1)))
    plan = changes(hosts("a", agents=[web, db]), there)
    assert after(plan, "update agent web-0@a") == after(plan, "update agent db-0@a") == set()


def test_agents_that_leave_a_node_are_rolled_too() -> None:
    web = rolling(3)
    f = replace(hosts("a", agents=[web]), pools={"main": Pool("main")})
    leaving = seen("b", *(agent(f"web-{n}", of=web) for n in range(3)))
    state = recorded(record("a", provider="static"), record("b", provider="static"))
    plan = changes(f, seen("a"), leaving, state=state)
    assert after(plan, "drain agent web-1@b") == {"cordon node b", "start agent web-0@a"}


def test_a_node_whose_agents_may_not_all_be_down_is_not_made_anew_in_place() -> None:
    web = spec("web", replicas=2)
    pool = Pool("web", "local", size=1, minimum=0, rollout=Rollout(Order.IN_PLACE))
    f = replace(fleet(agents=[web]), pools={"web": pool})
    there = seen("web-1", agent("web-0", of=web), agent("web-1", of=web))
    plan = changes(f, there, replace=(NodeName("web-1"),))
    assert plan.steps == ()
    assert "node.web-1" in plan.warnings[0]


def test_those_that_come_back_to_a_node_wait_for_those_that_leave_it() -> None:
    """The one that leaves makes the node's end possible, for which the other one waits."""
    big = spec("big", replicas=2, memory=GiB(5), rollout=SURGE)
    pool = Pool("web", "local", size=1, minimum=0, rollout=Rollout(Order.IN_PLACE))
    f = replace(hosts("a", agents=[big]), pools={"web": pool, "main": Pool("main")})
    there = seen("web-1", agent("big-0", of=big), agent("big-1", of=big), memory=GiB(16))
    plan = changes(f, there, seen("a"), replace=(NodeName("web-1"),))
    assert "start agent big-0@a" in keys(plan)
    assert after(plan, "drain agent big-1@web-1") == {
        "cordon node web-1",
        "drain agent big-0@web-1",
    }
    assert plan.notes[0].startswith("big-1 is down while its node is made anew")
