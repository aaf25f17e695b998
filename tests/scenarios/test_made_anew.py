"""Nodes are made anew, in place or one beside the other, while agents change and some are down."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenixctl.model.fleet import Fleet, Order, Pool, Rollout, Share
from phoenixctl.model.plan import Action
from phoenixctl.model.snapshot import AgentState
from phoenixctl.planning.difference import Scope
from tests.builders import GiB, fleet, spec
from tests.scenarios.rolling import Watch, in_any_order
from tests.scenarios.test_convergence import check, settle
from tests.scenarios.world import ALIVE, World

ORDERS = st.sampled_from([Order.IN_PLACE, Order.IN_PLACE, Order.SURGE])


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    pools = {
        name: Pool(
            name, "local", size=draw(st.integers(1, 3)), minimum=0,
            rollout=Rollout(draw(ORDERS), Share(count=draw(st.integers(1, 3)))),
        )
        for name in ("db", "web")
    }  # fmt: skip
    specs = [
        spec(
            f"s{n}",
            replicas=draw(st.integers(1, 6)),
            memory=draw(st.sampled_from([None, None, GiB(1), GiB(3)])),
            pools=draw(st.sampled_from([(), (), ("web",), ("db",)])),
            rollout=Rollout(draw(ORDERS), Share(count=draw(st.integers(1, 3)))),
        )
        for n in range(draw(st.integers(1, 3)))
    ]
    return replace(fleet(agents=specs), pools=pools)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets(), st.booleans(), st.integers(0, 2), st.randoms(use_true_random=False))
def test_nodes_are_made_anew_one_after_the_other(
    f: Fleet, changed: bool, failed: int, rng: Random
) -> None:
    w = World(f)
    settle(w)
    before = set(w.made)
    for place in rng.sample(sorted(w.agents), min(failed, len(w.agents))):
        w.agents[place] = rng.choice((AgentState.FAILED, AgentState.STARTING))
    if changed:
        specs = {n: replace(s, env={"LEVEL": "debug"}) for n, s in f.agents.items()}
        w.fleet = replace(f, agents=specs)
    if rng.random() < 0.2:
        w.cut_off.add(rng.choice(sorted(before)))
    chosen = tuple(rng.sample(sorted(before), rng.randint(1, len(before))))
    plan = w.plan(Scope(replace=chosen))
    in_any_order(w, plan, rng, Watch(w), fail=rng.choice((0.0, 0.0, 0.1)))
    assert len(w.made) <= len(before) + len(chosen)
    w.cut_off.clear()
    check(w, settle(w))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets(), st.randoms(use_true_random=False))
def test_a_plan_without_faults_makes_every_chosen_node_anew_or_says_why_not(
    f: Fleet, rng: Random
) -> None:
    w = World(f)
    settle(w)
    before = dict(w.made)
    chosen = tuple(rng.sample(sorted(before), rng.randint(1, len(before))))
    plan = w.plan(Scope(replace=chosen))
    destroyed = {step.node for step in plan.steps if step.action is Action.DESTROY}
    said = " ".join(plan.warnings)
    assert all(name in destroyed or name in said for name in chosen)
    w.carry_out(plan)
    assert {n for n, i in before.items() if w.made.get(n) is i}.isdisjoint(destroyed)
    assert len(w.made) == len(before)
    assert all(state in ALIVE for (_, n), state in w.agents.items() if n not in before)
