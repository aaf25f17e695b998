"""Whatever the configuration becomes and whatever happens to a fleet: plans lead to where no step
is left, take no more down than is allowed, and never break what they rely on."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenixctl.model.fleet import AgentSpec, Fleet, Order, Pool, Rollout, Share
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Plan
from phoenixctl.model.snapshot import AgentState
from phoenixctl.planning.difference import Scope
from tests.builders import GiB, fleet, node, spec
from tests.scenarios.rolling import Watch, in_any_order
from tests.scenarios.world import ALIVE, World

SHARES = st.sampled_from([Share(count=1), Share(count=2), Share(ratio=0.5), Share(ratio=1.0)])
HEALTHY = st.sampled_from([Share(count=0), Share(count=0), Share(ratio=0.5), Share(ratio=1.0)])
ORDERS = st.sampled_from(list(Order))
HOSTS = ("a", "b", "c")


@st.composite
def specs(draw: st.DrawFn, name: str) -> AgentSpec:
    return spec(
        name,
        replicas=draw(st.integers(0, 4)),
        memory=draw(st.sampled_from([None, GiB(1), GiB(3)])),
        pools=draw(st.sampled_from([(), (), ("web",), ("hosts", "web"), ("db",)])),
        env=draw(st.sampled_from([{}, {"LEVEL": "debug"}])),
        rollout=Rollout(draw(ORDERS), draw(SHARES), draw(HEALTHY)),
    )


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Hosts that exist, a pool that is made, one that is made anew in place; up to three specs."""
    hosts = [node(n, pool="hosts") for n in draw(st.sets(st.sampled_from(HOSTS)))]
    f = fleet(*hosts, agents=[draw(specs(f"s{n}")) for n in range(draw(st.integers(0, 3)))])
    web = Pool("web", "local", size=draw(st.integers(0, 4)), minimum=0,
               rollout=Rollout(draw(ORDERS), draw(SHARES)))  # fmt: skip
    db = Pool("db", "local", size=draw(st.integers(0, 2)), minimum=0)
    return replace(f, pools={"web": web, "hosts": Pool("hosts"), "db": db})


EVENTS = ("fail", "stop", "cordon", "taken away", "vanish", "twice", "replace", "bootstrap", "none",
          "cut off")  # fmt: skip


def happen(w: World, what: str, rng: Random) -> Scope:
    """One thing that happens to the fleet, or is asked for."""
    alive = sorted(place for place, state in w.agents.items() if state in ALIVE)
    names = [name for name in w.nodes() if w.answers(name)]
    made = sorted(w.made)
    if what in ("fail", "stop") and alive:
        w.agents[rng.choice(alive)] = AgentState.FAILED if what == "fail" else AgentState.STOPPED
    elif what == "cordon" and names:
        w.cordoned.add(rng.choice(names))
    elif what == "taken away" and made:
        w.taken_away.add(rng.choice(made))
    elif what == "cut off" and names:
        w.cut_off.add(NodeName(rng.choice(names)))
    elif what == "vanish" and made:
        w.vanish(rng.choice(made))
    elif what == "twice" and alive and names:
        agent, where = rng.choice(alive)
        other = NodeName(rng.choice(names))
        if other != where:
            w.agents[agent, other] = AgentState.RUNNING
            w.epochs[agent, other] = w.epochs[agent, where] + rng.choice((-1, 1))
            w.specs[agent, other] = w.specs[agent, where]
    elif what == "replace" and made:
        return Scope(replace=tuple(rng.sample(made, rng.randint(1, len(made)))))
    elif what == "bootstrap":
        w.bootstraps = {"web": f"b{rng.randint(0, 9)}", "hosts": f"b{rng.randint(0, 9)}"}
    return Scope()


def settle(w: World) -> Plan:
    """Plan and carry out until nothing is left to do."""
    for _ in range(8):
        plan = w.plan()
        if not plan.steps:
            return plan
        w.carry_out(plan)
    raise AssertionError([step.key for step in w.plan().steps])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(fleets(), fleets(), st.lists(st.sampled_from(EVENTS), max_size=3),
       st.randoms(use_true_random=False))  # fmt: skip
def test_every_change_converges_and_takes_no_more_down_than_is_allowed(
    before: Fleet, after: Fleet, events: list[str], rng: Random
) -> None:
    w = World(before)
    settle(w)
    w.fleet = after
    scopes = [happen(w, event, rng) for event in events]
    for scope in scopes or [Scope()]:
        there = tuple(name for name in scope.replace if name in w.made)
        plan = w.plan(replace(scope, replace=there))
        in_any_order(w, plan, rng, Watch(w), fail=rng.choice((0.0, 0.2)))
    w.cut_off.clear()
    left = settle(w)
    check(w, left)


def check(w: World, left: Plan) -> None:
    """Everything is as wanted, or the plan says why it is not."""
    said = " ".join(left.warnings)
    running = w.running()
    wanted = {agent.id: agent for agent in w.fleet.instances()}
    for agent, nodes in running.items():
        assert len(nodes) <= 1, (agent, nodes)
        if agent in wanted:
            assert nodes or agent in said, (agent, said)
        else:
            assert not nodes, agent
    for (agent, name), state in w.agents.items():
        if state in ALIVE and agent not in said and name not in said:
            assert w.specs[agent, name] == replace(
                wanted[agent].spec, **_rules(w.specs[agent, name])
            )
            assert not wanted[agent].spec.pools or w.nodes()[name].pool in wanted[agent].spec.pools
    for pool in w.fleet.pools.values():
        mine = [i for i in w.made.values() if i.node.pool == pool.name]
        may_differ = pool.provider == "static" or any(i.node.name in said for i in mine)
        assert len(mine) == pool.size or may_differ, (pool.name, said)
    assert {r.node.name for r in w.state.nodes.values()} >= set(w.made)


def _rules(found: AgentSpec) -> dict[str, object]:
    """What may change without touching what runs."""
    return {"replicas": found.replicas, "pools": found.pools, "rollout": found.rollout}
