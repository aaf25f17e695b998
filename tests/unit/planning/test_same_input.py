"""The same input gives the same plan, to the byte, and every step tells all there is to tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenixctl.model.codec import decode, encode
from phoenixctl.model.plan import Action, Plan
from phoenixctl.model.snapshot import NodeObservation, Snapshot
from phoenixctl.planning.difference import Scope, plan_changes
from phoenixctl.planning.fingerprint import with_fingerprints
from tests.scenarios.world import UNGUARDED, World
from tests.unit.planning.test_scope import troubled


def shuffled(entries: Mapping[Any, Any], rng: Random) -> dict[Any, Any]:
    items = list(entries.items())
    rng.shuffle(items)
    return dict(items)


def in_another_order(w: World, rng: Random, scope: Scope) -> Plan:
    """The plan of the same fleet, with everything that has no order in another one."""
    fleet, state, looked = w.fleet, w.state, w.look()
    nodes = {
        name: replace(n, agents=tuple(rng.sample(n.agents, len(n.agents))))
        if isinstance(n, NodeObservation) else n
        for name, n in looked.nodes.items()
    }  # fmt: skip
    listed = {
        pool: tuple(rng.sample(found, len(found))) if isinstance(found, tuple) else found
        for pool, found in w.inventory().items()
    }
    return with_fingerprints(
        plan_changes(
            replace(fleet, pools=shuffled(fleet.pools, rng), nodes=shuffled(fleet.nodes, rng),
                    agents=shuffled(fleet.agents, rng)),
            replace(state, nodes=shuffled(state.nodes, rng), agents=shuffled(state.agents, rng),
                    specs=shuffled(state.specs, rng)),
            Snapshot(looked.fleet, looked.taken_at, looked.taken_at_utc, shuffled(nodes, rng)),
            shuffled(listed, rng),
            config_digest="c", bootstrap_digests=shuffled(w.bootstraps, rng), scope=scope,
            guards=UNGUARDED,
        ),
        looked, state,
    )  # fmt: skip


def written(plan: Plan) -> str:
    return json.dumps(encode(plan))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(troubled(), st.randoms(use_true_random=False))
def test_the_same_fleet_in_another_order_gives_the_same_bytes(drawn, rng: Random) -> None:
    w, scope = drawn
    plan = with_fingerprints(w.plan(scope), w.look(), w.state)
    assert written(in_another_order(w, rng, scope)) == written(plan)
    assert decode(Plan, json.loads(written(plan))) == plan


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(troubled())
def test_every_step_says_why_what_it_changes_and_what_it_waits_for(drawn) -> None:
    w, scope = drawn
    plan = w.plan(scope)
    earlier: set[str] = set()
    for step in plan.steps:
        assert step.key not in earlier
        assert set(step.after) <= earlier, step.key
        assert len(set(step.after)) == len(step.after)
        assert step.reason
        assert step.changes or step.action is Action.FORGET, step.key
        if step.agent is None:
            assert step.pool in w.fleet.pools
        else:
            assert step.spec_digest
        earlier.add(step.key)
