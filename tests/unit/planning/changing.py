"""Plans of small fleets: say only what is configured, recorded, listed and seen.

f = made(size=2, agents=[WEB])                    # a pool `web` that is made
plan = changes(f, of("web-1", agent("web-0", of=WEB)), size=2)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import AgentSpec, Fleet, Guards, Pool, Share
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Plan
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.model.state import AgentRecord, NodeRecord, State
from phoenixctl.planning.difference import Scope, plan_changes
from phoenixctl.planning.known import STATIC, known_nodes
from phoenixctl.planning.proof import NO_LEASES, Leases
from tests.builders import fleet, node, silent, snapshot

LINEAGE = "lineage-1"
UNGUARDED = Guards(max_destroy=Share(ratio=1.0), max_disruption=Share(ratio=1.0))
NODE = NodeName("web-1")

Seen = NodeObservation | NodeUnobserved


def made(size: int | None = 1, *, agents: Iterable[AgentSpec] = (), **pool: Any) -> Fleet:
    """A fleet with a pool `web` whose nodes are made."""
    pool.setdefault("minimum", 0)
    return replace(fleet(agents=agents), pools={"web": Pool("web", "local", size=size, **pool)})


def instance(name: str, **more: Any) -> Instance:
    """As its provider lists it; of this lineage unless said otherwise."""
    pool = name.rpartition("-")[0]
    more.setdefault("id", f"i-{name}")
    more.setdefault("lineage", LINEAGE)
    return replace(Instance(node(name, pool=pool), "?"), **more)


def record(name: str, **more: Any) -> NodeRecord:
    """A node as recorded: made for the pool in its name, or `provider=STATIC` for `main`."""
    static = more.get("provider") == STATIC
    pool = "main" if static else name.rpartition("-")[0]
    more.setdefault("joined", "none")
    default = NodeRecord(node(name, pool=pool), "local", name if static else f"i-{name}")
    return replace(default, **more)


def recorded(*nodes: NodeRecord, agents: Mapping[str, str] | None = None, **more: Any) -> State:
    """A record of these nodes, and of agents on them: id -> node."""
    found = {
        AgentId(a): AgentRecord(AgentId(a), NodeName(n), "0123456789ab", 1)
        for a, n in (agents or {}).items()
    }
    by_name = {r.node.name: r for r in nodes}
    return replace(State("test", LINEAGE, 3, nodes=by_name, agents=found), **more)


def changes(
    f: Fleet,
    *looks: Seen,
    state: State | None = None,
    listed: Mapping[str, tuple[Instance, ...] | PhoenixError] | None = None,
    bootstraps: Mapping[str, str] | None = None,
    guards: Guards | None = UNGUARDED,
    leases: Leases = NO_LEASES,
    **scope: Any,
) -> Plan:
    """The plan. Without a record: all that was seen is recorded and has joined; without a list: the
    providers have what is recorded. What is known and was not looked at is silent."""
    if state is None:
        hosts = {n.name for n in f.nodes.values()}
        state = recorded(
            *(record(s.name, provider=STATIC) if s.name in hosts else record(s.name)
              for s in looks)
        )  # fmt: skip
    if listed is None:
        made_ones = [r for r in state.nodes.values() if r.provider != STATIC]
        listed = {
            pool.name: tuple(instance(r.node.name) for r in made_ones if r.node.pool == pool.name)
            for pool in f.pools.values()
            if pool.provider != STATIC
        }
    there: dict[NodeName, Seen] = {n: silent(n) for n in known_nodes(f, state, listed)}
    there |= {s.name: s for s in looks}
    looked: Snapshot = snapshot(*there.values())
    return plan_changes(
        f, state, looked, listed, config_digest="c", bootstrap_digests=bootstraps or {},
        guards=guards, scope=Scope(**scope), leases=leases,
    )  # fmt: skip


def keys(plan: Plan) -> list[str]:
    return [step.key for step in plan.steps]


def after(plan: Plan, key: str) -> set[str]:
    """What a step waits for."""
    return next(set(step.after) for step in plan.steps if step.key == key)


def guards_broken(plan: Plan) -> list[str]:
    return [breach.guard for breach in plan.breaches]
