"""Reboots as plans: node by node, empty first, and only once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.errors import Refused
from phoenixctl.model.fleet import Fleet, Order, Pool, Rollout
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Plan, Risk, Stopping
from phoenixctl.model.snapshot import AgentState, NodeObservation, NodeUnobserved
from phoenixctl.planning.known import STATIC
from phoenixctl.planning.reboot import plan_reboot
from tests.builders import agent, fleet, node, seen, silent, snapshot, spec
from tests.unit.planning.changing import after, keys, record, recorded

API = spec("api")
PINNED = spec("db", nodes=["a"])
THREE = (node("a"), node("b"), node("c"))
BOOT = seen("a").boot_id
NEXT = "00000000-cf3d-44b4-969a-b5f561b5c902"
MARK = f"it is rebooted (boot {BOOT})"


def reboot(
    f: Fleet,
    *looks: NodeObservation | NodeUnobserved,
    nodes: str = "a",
    stop: Stopping | None = None,
) -> Plan:
    """The plan, for hosts that exist; `nodes` has a letter for each that is rebooted."""
    state = recorded(*(record(look.name, provider=STATIC) for look in looks))
    names = [NodeName(letter) for letter in nodes]
    return plan_reboot(names, f, state, snapshot(*looks), {}, stop=stop)


def test_a_node_is_emptied_then_rebooted_then_takes_agents_again() -> None:
    plan = reboot(fleet(*THREE, agents=[API]), seen("a", agent("api-0", of=API)), seen("b"))
    assert keys(plan) == [
        "cordon node a", "drain agent api-0@a", "start agent api-0@b", "reboot node a",
        "uncordon node a",
    ]  # fmt: skip
    assert after(plan, "reboot node a") == {"cordon node a", "drain agent api-0@a"}
    assert after(plan, "uncordon node a") == {"reboot node a"}
    step = next(step for step in plan.steps if step.action is Action.REBOOT)
    assert (step.risk, step.inverse, step.pool) == (Risk.DISRUPTIVE, None, "main")
    assert plan.steps[0].reason == MARK
    assert plan.notes[-1] == "nothing is moved back; for that: phoenixctl rebalance"


def test_a_surging_agent_has_left_before_the_reboot() -> None:
    surging = replace(API, rollout=Rollout(order=Order.SURGE))
    here = seen("a", agent("api-0", of=surging))
    plan = reboot(fleet(*THREE, agents=[surging]), here, seen("b"))
    assert "drain agent api-0@a" in after(plan, "reboot node a")


def test_the_next_node_waits_until_the_one_before_is_back() -> None:
    looks = (seen("a"), seen("b"), seen("c"))
    plan = reboot(fleet(*THREE), *looks, nodes="ab")
    assert keys(plan) == [
        "cordon node a", "reboot node a", "uncordon node a",
        "cordon node b", "reboot node b", "uncordon node b",
    ]  # fmt: skip
    assert after(plan, "cordon node b") == {"uncordon node a"}


def test_agents_may_go_to_a_node_that_was_rebooted_before_theirs() -> None:
    looks = (seen("a"), seen("b", agent("api-0", of=API)))
    plan = reboot(fleet(*THREE[:2], agents=[API]), *looks, nodes="ab")
    assert plan.breaches == ()
    assert "uncordon node a" in after(plan, "start agent api-0@a")
    assert "drain agent api-0@b" in after(plan, "reboot node b")


def test_agents_do_not_go_to_a_node_that_is_rebooted_later() -> None:
    looks = (seen("a", agent("api-0", of=API)), seen("b"))
    [breach] = reboot(fleet(*THREE[:2], agents=[API]), *looks, nodes="ab").breaches
    assert breach.guard == "no_other_place"
    assert breach.hint.endswith("phoenixctl nodes reboot a b --stop unplaced")


def test_what_is_stopped_for_a_reboot_starts_there_again() -> None:
    here = seen("a", agent("db-0", of=PINNED))
    plan = reboot(fleet(*THREE, agents=[PINNED]), here, seen("b"), stop=Stopping.UNPLACED)
    assert keys(plan) == [
        "cordon node a", "drain agent db-0@a", "reboot node a", "uncordon node a",
        "start agent db-0@a",
    ]  # fmt: skip
    assert {"uncordon node a", "drain agent db-0@a"} == after(plan, "start agent db-0@a")


def test_a_node_that_was_rebooted_by_a_run_that_was_cut_off_is_not_rebooted_again() -> None:
    there = agent("db-0", AgentState.STOPPED, of=PINNED)
    done = seen("a", there, cordoned=MARK, boot_id=NEXT)
    plan = reboot(fleet(*THREE, agents=[PINNED]), done, seen("b"), stop=Stopping.ALL)
    assert keys(plan) == ["uncordon node a", "start agent db-0@a"]
    assert "a was rebooted" in plan.unchanged


def test_a_run_that_was_cut_off_before_the_reboot_goes_on_with_it() -> None:
    there = agent("db-0", AgentState.STOPPED, of=PINNED)
    half = seen("a", there, cordoned=MARK)
    plan = reboot(fleet(*THREE, agents=[PINNED]), half, seen("b"), stop=Stopping.ALL)
    assert keys(plan) == ["reboot node a", "uncordon node a", "start agent db-0@a"]


def test_a_node_that_somebody_has_cordoned_stays_so() -> None:
    plan = reboot(fleet(*THREE), seen("a", cordoned="new disk"), seen("b"))
    assert keys(plan) == ["reboot node a"]
    assert plan.notes == (
        "a stays cordoned, as it was before; then: phoenixctl nodes uncordon a",
    )  # fmt: skip


def test_a_node_that_does_not_answer_is_not_rebooted() -> None:
    with pytest.raises(Refused, match=r"a does not answer .*, so it cannot be rebooted"):
        reboot(fleet(*THREE), silent("a"), seen("b"))


def test_an_embedded_node_is_no_machine_to_reboot() -> None:
    f = replace(fleet(*THREE), pools={"main": Pool("main", "local")})
    with pytest.raises(Refused, match="a is a process on this machine"):
        reboot(f, seen("a"))
