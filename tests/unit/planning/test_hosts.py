"""Hosts that exist: they join, get a new bootstrap, and are forgotten when they leave."""

from __future__ import annotations

from dataclasses import replace

from phoenixctl.model.bootstrap import Bootstrap
from phoenixctl.model.fleet import Fleet, Order, Rollout, Share
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Change, Inverse, Risk
from phoenixctl.model.snapshot import AgentState
from tests.builders import agent, fleet, node, seen, silent, spec
from tests.unit.planning.changing import after, changes, keys, record, recorded

WEB = spec("web", replicas=2)
TWO = fleet(node("a"), node("b"), agents=[WEB])
BOTH = recorded(record("a", provider="static"), record("b", provider="static"))


def prepared(f: Fleet, order: Order = Order.SURGE, at_once: int = 1) -> Fleet:
    """The same with a bootstrap for its pool."""
    pool = replace(f.pools["main"], bootstrap=Bootstrap(packages=("curl",)),
                   rollout=Rollout(order, Share(count=at_once)))  # fmt: skip
    return replace(f, pools={"main": pool})


def test_a_configured_host_joins_and_takes_agents_after_that() -> None:
    plan = changes(TWO, seen("a"), seen("b"), state=recorded())
    assert keys(plan) == [
        "join node a", "join node b", "start agent web-0@a", "start agent web-1@b",
    ]  # fmt: skip
    assert after(plan, "start agent web-1@b") == {"join node b"}
    assert plan.steps[0].changes == (Change("bootstrap", None, "none"),)
    assert plan.steps[0].inverse == Inverse(Action.FORGET)
    assert {step.risk for step in plan.steps} == {Risk.SAFE}


def test_a_host_that_has_joined_does_not_join_again() -> None:
    assert changes(fleet(node("a")), seen("a")).steps == ()


def test_a_silent_host_is_a_warning_and_not_a_step() -> None:
    plan = changes(fleet(node("a")), silent("a"), state=recorded())
    assert (plan.steps, plan.warnings) == ((), ("a does not answer (unreachable)",))


def test_a_changed_bootstrap_is_rolled_out_host_by_host() -> None:
    f = prepared(fleet(*(node(n) for n in "abc")), at_once=2)
    looks = [seen(n, joined="old") for n in "abc"]
    state = recorded(*(record(n, provider="static", joined="old") for n in "abc"))
    plan = changes(f, *looks, state=state, bootstraps={"main": "new"})
    assert keys(plan) == ["join node a", "join node b", "join node c"]
    assert [after(plan, key) for key in keys(plan)] == [set(), set(), {"join node a"}]
    assert plan.steps[0].changes == (Change("bootstrap", "old", "new"),)
    assert plan.steps[0].inverse is None


def test_a_new_bootstrap_for_a_host_with_agents_disrupts() -> None:
    f = prepared(fleet(node("a"), agents=[spec("web")]))
    state = recorded(record("a", provider="static", joined="old"))
    running = seen("a", agent("web-0", of=spec("web")), joined="old")
    plan = changes(f, running, state=state, bootstraps={"main": "new"})
    assert [(s.key, s.risk) for s in plan.steps] == [("join node a", Risk.DISRUPTIVE)]


def test_a_host_that_was_installed_anew_joins_again() -> None:
    f = prepared(fleet(node("a")))
    state = recorded(record("a", provider="static", joined="new"))
    assert changes(f, seen("a", joined="new"), state=state, bootstraps={"main": "new"}).steps == ()
    plan = changes(f, seen("a"), state=state, bootstraps={"main": "new"})
    assert keys(plan) == ["join node a"]


def test_agents_are_updated_on_a_host_after_it_has_its_new_bootstrap() -> None:
    f = prepared(fleet(node("a"), agents=[spec("web")]))
    state = recorded(record("a", provider="static", joined="old"))
    older = seen("a", agent("web-0", of=spec("web", env={"LEVEL": "debug"})), joined="old")
    plan = changes(f, older, state=state, bootstraps={"main": "new"})
    assert after(plan, "update agent web-0@a") == {"join node a"}


def test_a_host_that_left_the_configuration_is_emptied_and_forgotten() -> None:
    f = fleet(node("a"), agents=[WEB])
    plan = changes(
        f, seen("a", agent("web-0", of=WEB)), seen("b", agent("web-1", of=WEB)), state=BOTH
    )
    assert keys(plan) == [
        "cordon node b", "drain agent web-1@b", "start agent web-1@a", "forget node b",
    ]  # fmt: skip
    assert after(plan, "forget node b") == {"cordon node b", "drain agent web-1@b"}
    assert plan.steps[-1].inverse == Inverse(Action.JOIN)


def test_a_failed_copy_on_it_is_stopped_before_it_is_forgotten() -> None:
    f = fleet(node("a"), agents=[spec("web")])
    failed = seen("b", agent("web-0", AgentState.FAILED, of=spec("web")))
    plan = changes(f, seen("a"), failed, state=BOTH)
    assert "stop agent web-0@b" in after(plan, "forget node b")
    assert "stop agent web-0@b" in after(plan, "start agent web-0@a")


def test_a_silent_host_that_left_is_kept_until_somebody_vouches_for_it() -> None:
    f = fleet(node("a"))
    plan = changes(f, seen("a"), silent("b"), state=BOTH)
    assert plan.steps == ()
    assert plan.warnings[0].endswith("if that machine is dead: --assume-dead b")
    dead = changes(f, seen("a"), silent("b"), state=BOTH, assume_dead=frozenset({NodeName("b")}))
    assert keys(dead) == ["forget node b"]


def test_a_cordoned_host_is_not_cordoned_again_before_it_is_forgotten() -> None:
    plan = changes(fleet(node("a")), seen("a"), seen("b", cordoned="repair"), state=BOTH)
    assert keys(plan) == ["forget node b"]


def test_at_the_end_hosts_are_forgotten_and_their_agents_stopped() -> None:
    plan = changes(
        TWO, seen("a", agent("web-0", of=WEB)), seen("b", agent("web-1", of=WEB)), state=BOTH,
        destroy=True,
    )  # fmt: skip
    assert [key for key in keys(plan) if "cordon" not in key] == [
        "stop agent web-0@a", "stop agent web-1@b", "forget node a", "forget node b",
    ]  # fmt: skip


def test_at_the_end_there_is_nothing_to_forget_of_a_host_that_never_joined() -> None:
    assert changes(fleet(node("a")), seen("a"), state=recorded(), destroy=True).steps == ()
