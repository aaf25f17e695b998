"""Migrations as plans: one step for each agent, by the way that its hooks allow; or a refusal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenixctl.model.errors import Refused, UsageError
from phoenixctl.model.fleet import AgentSpec
from phoenixctl.model.hooks import Drain, HttpHook
from phoenixctl.model.moving import Migration, Way
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Plan, Risk
from phoenixctl.model.snapshot import AgentState, NodeObservation, NodeUnobserved
from phoenixctl.planning.known import STATIC
from phoenixctl.planning.migrate import plan_migrate
from phoenixctl.planning.ways import lacks, said_of_way, way_of
from tests.builders import agent, fleet, node, seen, silent, snapshot, spec
from tests.unit.planning.changing import record, recorded

HOOK = HttpHook("/hook")
WEB = spec("web")
SAVING = replace(WEB, checkpoint=HOOK)
LIVE = replace(SAVING, drain=Drain(HOOK), activate=HOOK)
THREE = (node("a"), node("b"), node("c"))


def migrate(
    of: AgentSpec,
    *looks: NodeObservation | NodeUnobserved,
    agents: str = "web-0",
    to: str | None = None,
    way: Way | None = None,
) -> Plan:
    state = recorded(*(record(look.name, provider=STATIC) for look in looks))
    return plan_migrate(
        [AgentId(name) for name in agents.split()], fleet(*THREE, agents=[of]), state,
        snapshot(*looks), {}, to=None if to is None else NodeName(to), way=way,
    )  # fmt: skip


def at_a(of: AgentSpec, state: AgentState = AgentState.RUNNING) -> NodeObservation:
    return seen("a", agent("web-0", state, of=of))


# By which way


@pytest.mark.parametrize(
    ("of", "way"), [(WEB, Way.COLD), (SAVING, Way.CHECKPOINT), (LIVE, Way.LIVE)]
)
def test_the_best_way_that_the_hooks_allow_is_taken(of: AgentSpec, way: Way) -> None:
    assert way_of(of) is way


def test_a_live_migration_needs_that_the_agent_can_pause_and_go_on() -> None:
    assert lacks(WEB, Way.LIVE) == ("drain", "activate")
    assert lacks(replace(WEB, drain=Drain(HOOK)), Way.LIVE) == ("activate",)
    assert lacks(LIVE, Way.LIVE) == lacks(WEB, Way.COLD) == ()


def test_who_asks_for_a_way_decides_over_the_configuration() -> None:
    of = replace(LIVE, migration=Migration(way=Way.CHECKPOINT))
    assert [way_of(of), way_of(of, Way.COLD)] == [Way.CHECKPOINT, Way.COLD]


@pytest.mark.parametrize("asked", [True, False])
def test_a_way_without_its_hooks_is_refused_with_one_that_can_be_gone(asked: bool) -> None:
    of = SAVING if asked else replace(SAVING, migration=Migration(way=Way.LIVE))
    with pytest.raises(Refused, match="no `drain` and `activate` hook") as refused:
        way_of(of, Way.LIVE if asked else None)
    assert refused.value.hint == "add it, or use --strategy checkpoint"


def test_what_is_left_behind_is_said_before() -> None:
    bare = replace(SAVING, migration=Migration(state=False))
    assert "without its state" in said_of_way(bare, Way.COLD)
    assert "without its state" not in said_of_way(SAVING, Way.COLD)
    assert "from its checkpoint" in said_of_way(bare, Way.CHECKPOINT)


# The plan


def test_a_migration_is_one_step_from_where_it_is_to_where_it_was_asked_to() -> None:
    plan = migrate(LIVE, at_a(LIVE), seen("b"), seen("c"), to="c")
    (step,) = plan.steps
    assert (step.action, step.source, step.node, step.way) == (Action.MIGRATE, "a", "c", Way.LIVE)
    assert step.risk is Risk.DISRUPTIVE
    assert step.inverse is not None
    assert step.inverse.action is Action.MIGRATE


def test_without_a_node_it_goes_to_another_one() -> None:
    (step,) = migrate(LIVE, at_a(LIVE), seen("b")).steps
    assert step.node == "b"


def test_an_agent_that_is_there_already_stays() -> None:
    plan = migrate(LIVE, at_a(LIVE), seen("b"), to="a")
    assert plan.steps == ()
    assert plan.unchanged == ("web-0 runs on a already",)


def test_an_agent_that_is_named_twice_migrates_once() -> None:
    assert len(migrate(LIVE, at_a(LIVE), seen("b"), agents="web-0 web-0", to="b").steps) == 1


@pytest.mark.parametrize("name", ["db-0", "web-1", "web-x"])
def test_an_agent_that_is_not_configured_is_a_mistake_of_the_user(name: str) -> None:
    with pytest.raises(UsageError, match=f"no agent {name} is configured"):
        migrate(LIVE, at_a(LIVE), seen("b"), agents=name)


def test_an_agent_that_does_not_run_cannot_migrate() -> None:
    with pytest.raises(Refused, match="does not run"):
        migrate(LIVE, seen("a"), seen("b"))


def test_an_agent_that_runs_twice_cannot_migrate() -> None:
    twice = seen("b", agent("web-0", of=LIVE))
    with pytest.raises(Refused, match="runs 2 times, on a and b"):
        migrate(LIVE, at_a(LIVE), twice, seen("c"), to="c")


def test_nothing_goes_to_a_node_that_does_not_answer_or_is_not_known() -> None:
    with pytest.raises(Refused, match="b does not answer"):
        migrate(LIVE, at_a(LIVE), silent("b"), to="b")
    with pytest.raises(UsageError, match="no node z is known"):
        migrate(LIVE, at_a(LIVE), seen("b"), to="z")


def test_a_node_that_the_spec_forbids_is_refused() -> None:
    pinned = replace(LIVE, nodes=(NodeName("a"),))
    with pytest.raises(Refused, match="web-0 does not fit on b"):
        migrate(pinned, at_a(pinned), seen("b"), to="b")
