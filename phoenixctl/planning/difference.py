"""The difference of what is wanted and what there is, as one plan for nodes and agents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from phoenixctl.model.fleet import Agent, Fleet, Guards, Pool
from phoenixctl.model.plan import Basis, Breach, Drift, Plan, Step
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning.addresses import about
from phoenixctl.planning.agents import draft_agents, keep_nodes
from phoenixctl.planning.copies import Copies, Hidden
from phoenixctl.planning.cost import cost_of
from phoenixctl.planning.digests import Digests
from phoenixctl.planning.draft import Draft
from phoenixctl.planning.drift import drift_of
from phoenixctl.planning.fates import Fates, fates_of
from phoenixctl.planning.ground import STARTED_AGAIN, Ground, complete, prepare
from phoenixctl.planning.guarding import breaches
from phoenixctl.planning.known import Inventory, known_nodes
from phoenixctl.planning.making import Making
from phoenixctl.planning.members import Member, Members, members_of
from phoenixctl.planning.needs import Needs, needs_of
from phoenixctl.planning.order import by_name, in_order
from phoenixctl.planning.orphans import (
    ADOPT,
    REAP,
    Orphan,
    check_record,
    orphans_of,
    record_is_lost,
)
from phoenixctl.planning.proof import NO_LEASES, Leases, relying_on_lease
from phoenixctl.planning.rollout import Group, roll
from phoenixctl.planning.scope import Scope, check_names, narrow
from phoenixctl.planning.seating import Seating
from phoenixctl.planning.strays import notes_about_strays

__all__ = ["Scope", "plan_changes"]

_EVERYTHING = Scope()


def plan_changes(
    fleet: Fleet,
    state: State,
    snapshot: Snapshot,
    inventory: Inventory,
    *,
    config_digest: str,
    bootstrap_digests: Mapping[str, str],
    scope: Scope = _EVERYTHING,
    guards: Guards | None = None,
    leases: Leases = NO_LEASES,
) -> Plan:
    """The steps that make the fleet as configured, and what forbids them.

    `snapshot` covers `known_nodes`. `bootstrap_digests` go by pool; a pool without one needs no
    bootstrap. `guards`: None for those of the configuration. UsageError when `scope` names what
    there is not; Refused when it would reap all that there is.
    """
    view = _view(fleet, state, snapshot, inventory)
    check_names(scope, view.fleet)
    if scope.reap:
        check_record(view.members, view.orphans)
    fates = fates_of(view.fleet, state, view.snapshot, view.members, scope, orphans=view.orphans)
    draft = Draft(warnings=fates.warnings, notes=fates.notes)
    ground = prepare(draft, fates, fleet.pools, bootstrap_digests, scope.assume_dead)
    needs, kept = _draft_agents(view, scope, draft, ground, leases)
    complete(draft, ground)
    keep_nodes(draft, kept)
    narrow(draft, scope, view.fleet, view.copies, view.orphans)
    roll(draft, dict(_groups(view, needs, fates)))
    steps = tuple(relying_on_lease(step, needs.lapsed) for step in draft.in_order())
    return Plan(
        title="destroy" if scope.destroy else "apply",
        steps=steps,
        warnings=tuple(
            dict.fromkeys(text for text, about in draft.warnings if scope.concerns(about))
        ),
        notes=tuple(dict.fromkeys((*draft.notes, *_strays(view, scope, steps)))),
        drift=_drift(view, scope),
        breaches=(
            *(breach for about, breach in fates.breaches if scope.concerns(about)),
            *_beyond(guards or fleet.guards, steps, view, ground),
        ),
        cost=cost_of(steps, fleet, view.members, view.orphans),
        basis=Basis(fleet.name, state.lineage, state.serial, config_digest),
        sizes=in_order(scope.sizes),
    )


@dataclass(frozen=True, slots=True)
class _View:
    """What a plan is computed from, in one order whatever order it came in; `fleet` has all nodes
    that are known."""

    fleet: Fleet
    state: State
    snapshot: Snapshot
    members: Members
    orphans: tuple[Orphan, ...]
    copies: Copies


def _view(fleet: Fleet, state: State, snapshot: Snapshot, inventory: Inventory) -> _View:
    seen = {name: _ordered(node) for name, node in snapshot.nodes.items()}
    ordered = replace(snapshot, nodes=in_order(seen))
    everything = replace(
        fleet,
        pools=in_order(fleet.pools),
        nodes=known_nodes(fleet, state, inventory),
        agents=in_order(fleet.agents),
    )
    members = members_of(fleet, state, ordered, inventory)
    orphans = orphans_of(members, state)
    return _View(everything, state, ordered, members, orphans, Copies(ordered))


def _ordered(node: NodeObservation | NodeUnobserved) -> NodeObservation | NodeUnobserved:
    if isinstance(node, NodeUnobserved):
        return node
    return replace(node, agents=tuple(sorted(node.agents, key=lambda agent: by_name(agent.id))))


def _drift(view: _View, scope: Scope) -> tuple[Drift, ...]:
    """What is not as recorded; orphans with what is to be done about them, unless this does it."""
    hint = ADOPT if record_is_lost(view.members, view.orphans) else REAP
    return drift_of(
        view.state, view.snapshot, view.members, view.copies, view.orphans,
        hint="" if scope.reap else hint,
    )  # fmt: skip


def _strays(view: _View, scope: Scope, steps: Sequence[Step]) -> list[str]:
    """Of the agents that the plan is about."""
    if scope.destroy:
        return []
    return notes_about_strays(
        view.fleet, view.snapshot, steps, lambda agent: scope.concerns(about(agent.id))
    )


def _draft_agents(
    view: _View, scope: Scope, draft: Draft, ground: Ground, leases: Leases
) -> tuple[Needs, Mapping[str, Sequence[str]]]:
    digests = Digests()
    wanted: tuple[Agent, ...] = () if scope.destroy else view.fleet.instances()
    silent, fenced = _silent(view, scope, ground)
    needs = needs_of(
        wanted, view.fleet, view.state, view.copies, digests,
        leaving=ground.leaving, silent=silent, leases=leases, destroy=scope.destroy,
    )  # fmt: skip
    making = Making(draft, view.fleet, view.state, ground, view.copies, digests, fenced, leases)
    seating = Seating(replace(view.fleet, nodes=ground.nodes), dict(ground.stands))
    return needs, draft_agents(needs, making, seating)


def _silent(view: _View, scope: Scope, ground: Ground) -> tuple[Hidden, Hidden]:
    """Nodes on which agents may run that nobody sees, and those of them that are destroyed."""
    nodes, seen = view.fleet.nodes, view.snapshot.nodes
    everyone = view.members.everyone()
    fenced = [name for name, leaving in ground.leaving.items() if leaving.silent]
    empty = {m.name for pool in view.members.created.values() for m in pool if m.fresh}
    empty |= view.members.gone_names() | scope.fenced | set(fenced)
    # Its provider has stopped it. What starts there again first asks whether it may. On an embedded
    # node that was stopped, agents may run on.
    off = {m.name for m in everyone if m.off and not _runs_on(m, view.fleet.pools)}
    silent = [
        name
        for name in nodes
        if name not in empty and not isinstance(seen.get(name), NodeObservation)
    ]
    dead = scope.assume_dead
    return (
        Hidden(
            [name for name in silent if name not in dead],
            nodes,
            for_singletons=[name for name in silent if name not in off],
        ),
        Hidden(
            [name for name in fenced if name not in dead],
            nodes,
            for_singletons=[name for name in fenced if name not in scope.fenced],
        ),
    )


def _runs_on(member: Member, pools: Mapping[str, Pool]) -> bool:
    pool = pools.get(member.node.pool)
    return pool is None or pool.provider in STARTED_AGAIN


def _groups(view: _View, needs: Needs, fates: Fates) -> Iterator[tuple[str, Group]]:
    """All that is rolled: the agents of each spec, the nodes of each pool."""
    for name, spec in view.fleet.agents.items():
        down = frozenset(needs.down.get(name, ()))
        setting = f"agents.{name}.rollout"
        yield f"agent.{name}", Group(spec.rollout, spec.replicas, down, setting)
    for name, pool in view.fleet.pools.items():
        mine = [m for m in fates.staying if m.node.pool == name]
        total = len(mine) + sum(r.pool.name == name for r in fates.replacing)
        silent = frozenset(m.name for m in mine if m.observed is None)
        setting = f"pools.{name}.rollout"
        yield f"join.{name}", Group(pool.rollout, total, frozenset(), setting)
        yield f"pool.{name}", Group(pool.rollout, total, silent, setting)


def _beyond(
    guards: Guards, steps: tuple[Step, ...], view: _View, ground: Ground
) -> Iterable[Breach]:
    doubles = {orphan.instance.id for orphan in view.orphans if orphan.member is None}
    return breaches(
        steps,
        guards,
        view.copies,
        nodes={member.name for member in view.members.everyone()} | doubles,
        spared={name for name, leaving in ground.leaving.items() if leaving.forced},
    )
