"""What of a fleet a plan is about: targets bring what they need, excludes take what needs them."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenixctl.model.errors import Unreachable, UsageError
from phoenixctl.model.fleet import Fleet, Rollout, Share
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Plan
from phoenixctl.planning.addresses import addresses
from phoenixctl.planning.difference import Scope
from phoenixctl.planning.scope import matches
from tests.builders import GiB, agent, fleet, node, seen, silent, spec
from tests.scenarios.test_convergence import EVENTS, fleets, happen, settle
from tests.scenarios.world import World
from tests.unit.planning.changing import changes, keys, made, record, recorded

WEB, DB = spec("web", replicas=2), spec("db", port=1)
HOSTS = fleet(node("a"), node("b"), agents=[WEB, DB])


def test_a_target_brings_along_what_its_steps_need_and_nothing_else() -> None:
    plan = changes(HOSTS, seen("a"), seen("b"), state=recorded(), targets=("agent.web-1",))
    assert len(plan.steps) == 2
    start = plan.steps[-1]
    assert (start.agent, start.after) == ("web-1", (f"join node {start.node}",))


@pytest.mark.parametrize(
    ("targets", "agents"),
    [
        (("agent.web",), {"web-0", "web-1"}),
        (("agent.web-*",), {"web-0", "web-1"}),
        (("agent.*",), {"web-0", "web-1", "db-0"}),
        (("agent.db", "agent.web-0"), {"db-0", "web-0"}),
        (("node.a",), set()),
        (("pool.main",), set()),
    ],
)
def test_addresses_name_agents_specs_nodes_and_pools(targets, agents: set[str]) -> None:
    plan = changes(HOSTS, seen("a"), seen("b"), targets=targets)
    assert {step.agent for step in plan.steps} == agents


def test_a_pool_means_its_nodes() -> None:
    f = replace(made(2, agents=[WEB]), nodes={})
    plan = changes(f, targets=("pool.web",))
    assert {step.action for step in plan.steps} == {Action.CREATE, Action.JOIN}


def test_a_target_in_a_rolling_change_does_not_wait_for_what_is_not_done() -> None:
    older = replace(WEB, env={"LEVEL": "debug"})
    there = seen("a", agent("web-0", of=older), agent("web-1", of=older))
    plan = changes(fleet(node("a"), agents=[WEB]), there, targets=("agent.web-1",))
    assert [(s.key, s.after) for s in plan.steps] == [("update agent web-1@a", ())]


def test_a_node_that_goes_takes_the_moves_of_its_agents_along() -> None:
    one = spec("web")
    plan = changes(
        made(1, agents=[one, spec("other")]), seen("web-1"), seen("web-2", agent("web-0", of=one)),
        targets=("node.web-*",),
    )  # fmt: skip
    assert keys(plan) == ["cordon node web-1", "destroy node web-1"]
    moved = changes(
        made(1, agents=[one]), seen("web-1", agent("x-0"), agent("x-1")),
        seen("web-2", agent("web-0", of=one)), targets=("node.web-2",),
    )  # fmt: skip
    assert keys(moved) == [
        "cordon node web-2", "drain agent web-0@web-2", "start agent web-0@web-1",
        "destroy node web-2",
    ]  # fmt: skip


def test_an_exclude_takes_what_depends_on_it_along_and_names_it() -> None:
    plan = changes(HOSTS, seen("a"), seen("b"), state=recorded(), excludes=("node.a",))
    assert {step.node for step in plan.steps} == {"b"}
    [note] = plan.notes
    assert note.startswith("without node.a these are left out as well: agent.")


def test_excluding_one_agent_keeps_its_node_and_all_that_runs_there() -> None:
    there = seen("web-2", agent("web-0", of=WEB), agent("web-1", of=WEB))
    busy = seen("web-1", *(agent(f"x-{n}") for n in range(3)))
    plan = changes(made(1, agents=[WEB]), busy, there, excludes=("agent.web-1", "agent.x"))
    assert plan.steps == ()


def test_an_agent_whose_start_is_excluded_is_not_drained() -> None:
    now = replace(WEB, replicas=1, nodes=(NodeName("b"),))
    f = fleet(node("a"), node("b"), agents=[now])
    state = recorded(record("a", provider="static"))
    plan = changes(f, seen("a", agent("web-0", of=now)), seen("b"), state=state,
                   excludes=("node.b",))  # fmt: skip
    assert plan.steps == ()


def test_targets_and_excludes_go_together() -> None:
    plan = changes(HOSTS, seen("a"), seen("b"), targets=("agent.web",), excludes=("agent.web-0",))
    assert [step.agent for step in plan.steps] == ["web-1"]


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("node.c", "did you mean node."),
        ("agent.wbe", "did you mean agent.web?"),
        ("pool.mian", "did you mean pool.main?"),
        ("web-1", "did you mean agent.web-1?"),
        ("agent.nothing-*", ""),
    ],
)
def test_an_address_that_names_nothing_is_refused_with_the_nearest(address: str, hint: str) -> None:
    for scope in ({"targets": (address,)}, {"excludes": (address,)}):
        with pytest.raises(UsageError, match="there is no address") as refused:
            changes(HOSTS, seen("a"), seen("b"), **scope)
        assert hint in refused.value.hint


def test_an_address_may_name_what_is_found_or_still_to_be_made() -> None:
    plan = changes(fleet(node("a")), seen("a", agent("old-3")), targets=("agent.old-3",))
    assert keys(plan) == ["stop agent old-3@a"]
    assert keys(changes(made(1), targets=("node.web-1",)))[0] == "create node web-1"


def test_what_a_plan_is_not_about_is_neither_warned_of_nor_forbidden() -> None:
    state = recorded(record("web-1", protected=True), record("a", provider="static"))
    f = replace(made(0), nodes={NodeName("a"): node("a")},
                pools={**made(0).pools, **HOSTS.pools})  # fmt: skip
    everything = changes(f, seen("web-1"), silent("a"), state=state)
    assert (len(everything.breaches), len(everything.warnings)) == (1, 1)
    web = changes(f, seen("web-1"), silent("a"), state=state, targets=("pool.web",))
    assert (len(web.breaches), len(web.warnings)) == (1, 0)
    main = changes(f, seen("web-1"), silent("a"), state=state, targets=("pool.main",))
    assert (len(main.breaches), len(main.warnings)) == (0, 1)
    down = changes(f, silent("a"), state=state, listed={"web": Unreachable("no")},
                   targets=("pool.main",))  # fmt: skip
    assert down.warnings == ("a does not answer (unreachable)",)


@st.composite
def troubled(draw: st.DrawFn) -> tuple[World, Scope]:
    """A fleet on its way to another configuration, and something that happened to it."""
    w = World(draw(fleets()))
    settle(w)
    after: Fleet = draw(fleets())
    w.fleet = after
    rng: Random = draw(st.randoms(use_true_random=False))
    return w, happen(w, draw(st.sampled_from(EVENTS)), rng)


def whole(plan: Plan, w: World) -> None:
    """Every step has what it waits for, and no agent is taken down without what brings it back."""
    there = set(keys(plan))
    assert all(set(step.after) <= there for step in plan.steps)
    wanted = {a.id for a in w.fleet.instances()}
    running = w.running()
    for step in plan.steps:
        if step.action is Action.DRAIN and step.agent in wanted and step.node not in w.taken_away:
            others = set(running[step.agent]) - {step.node}
            assert others or any(
                s.action is Action.START and s.agent == step.agent for s in plan.steps
            ), step.key
        if step.action is Action.CREATE:
            assert f"join node {step.node}" in there or f"node.{step.node}" in plan.notes


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(troubled(), st.data())
def test_whatever_is_left_out_what_is_left_can_be_done(
    drawn: tuple[World, Scope], data: st.DataObject
) -> None:
    w, scope = drawn
    full = w.plan(scope)
    if not full.steps:
        return
    named = sorted({address for step in full.steps for address in addresses(step)})
    chosen = tuple(data.draw(st.lists(st.sampled_from(named), min_size=1, max_size=3)))
    targeted = w.plan(replace(scope, targets=chosen))
    without = w.plan(replace(scope, excludes=chosen))
    for plan in (targeted, without):
        whole(plan, w)
        assert set(keys(plan)) <= set(keys(full)) | set(keys(targeted))
    asked = [s for s in full.steps if any(matches(pattern, addresses(s)) for pattern in chosen)]
    assert not {s.key for s in asked} & set(keys(without))
    w.carry_out(without)


def test_agents_stay_on_a_node_that_is_kept_also_when_it_was_cordoned_before() -> None:
    one = spec("web")
    state = recorded(record("a", provider="static"), record("b", provider="static"))
    there = seen("b", agent("web-0", of=one), cordoned="repair")
    plan = changes(
        fleet(node("a"), agents=[one]), seen("a"), there, state=state, excludes=("node.b",)
    )
    assert plan.steps == ()


def test_a_pool_that_cannot_get_smaller_says_why_also_when_only_it_is_asked_for() -> None:
    big = spec("big", replicas=2, memory=GiB(6))
    looks = [seen(f"web-{n + 1}", agent(f"big-{n}", of=big)) for n in (0, 1)]
    plan = changes(made(2, agents=[big]), *looks, sizes={"web": 1}, targets=("pool.web",))
    assert plan.steps == ()
    assert plan.warnings[0].startswith("web-2 stays as it is: big-1 fits on no node")
    strict = spec("web", replicas=2, rollout=Rollout(min_healthy=Share(ratio=1.0)))
    looks = [seen(f"web-{n + 1}", agent(f"web-{n}", of=strict)) for n in (0, 1)]
    refused = changes(made(2, agents=[strict]), *looks, sizes={"web": 1}, targets=("pool.web",))
    assert refused.steps == ()
    assert "left out with it: node.web-2" in refused.warnings[0]
