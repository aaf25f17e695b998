"""The record brought up to date with what there is, or built anew from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Final, TypeVar

from phoenixctl.model.fleet import AgentSpec, Fleet, Node
from phoenixctl.model.instance import Instance, Phase
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Drift
from phoenixctl.model.snapshot import AgentObservation, NodeObservation, Snapshot
from phoenixctl.model.state import AgentRecord, NodeRecord, State
from phoenixctl.planning.copies import Copies
from phoenixctl.planning.known import STATIC, Inventory
from phoenixctl.planning.members import Member, Members, members_of
from phoenixctl.planning.order import by_name, in_order
from phoenixctl.remote.agents import spec_digest

K = TypeVar("K", bound=str)
R = TypeVar("R", NodeRecord, AgentRecord)

# It is there, and nobody can tell what it has: it is joined again when it answers, and until then
# agents may run on it.
UNKNOWN: Final = "unknown"


def refreshed_state(
    fleet: Fleet, snapshot: Snapshot, inventory: Inventory, *, before: State
) -> State:
    """What is recorded, as it is now. What cannot be seen stays as it was; nothing is taken in."""
    members = members_of(fleet, before, snapshot, inventory)
    nodes = {m.name: _as_it_is(m, m.record) for m in members.everyone() if m.record is not None}
    return _with_agents(fleet, snapshot, before, members, nodes, adopt=False)


def rebuilt_state(
    fleet: Fleet, snapshot: Snapshot, inventory: Inventory, *, before: State
) -> State:
    """The same, and all that is not recorded is taken in, whoever has made it.

    `before` may be empty. Its lineage, if it has none, becomes that of the nodes, when they agree.
    """
    members = members_of(fleet, before, snapshot, inventory)
    providers = {name: pool.provider for name, pool in fleet.pools.items()}
    nodes: dict[NodeName, NodeRecord] = {}
    for member in members.everyone():
        record = member.record or _found(member, providers.get(member.node.pool, STATIC))
        if record is not None:
            nodes[member.name] = _as_it_is(member, record)
    taken: list[Instance] = []
    for stranger in sorted(members.strangers, key=_preference):
        name = stranger.node.name
        if name not in nodes:
            member = Member(stranger.node, None, stranger, snapshot.nodes.get(name))
            record = _found(member, providers[stranger.node.pool])
            if record is not None:
                nodes[name] = _as_it_is(member, record)
                taken.append(stranger)
    lineages = {i.lineage for i in taken if i.lineage}
    lineage = before.lineage or (lineages.pop() if len(lineages) == 1 else "")
    state = _with_agents(fleet, snapshot, before, members, nodes, adopt=True)
    return replace(state, lineage=lineage)


def differences(before: State, after: State) -> tuple[Drift, ...]:
    """What the second record says otherwise than the first, by address."""
    return (
        *_differing("node", before.nodes, after.nodes),
        *_differing("agent", before.agents, after.agents),
    )


def _preference(instance: Instance) -> tuple[object, ...]:
    """Of two with one name the running one is taken in."""
    return instance.phase is not Phase.RUNNING, by_name(instance.node.name), by_name(instance.id)


def _found(member: Member, provider: str) -> NodeRecord | None:
    """A record of a node that had none; a host that exists must say itself that it has joined."""
    if provider == STATIC:
        joined = member.observed.joined if member.observed is not None else ""
        return NodeRecord(member.node, STATIC, member.name, joined=joined) if joined else None
    if member.instance is None:
        return None
    joined = UNKNOWN if member.observed is None else member.observed.joined
    return NodeRecord(member.node, provider, member.instance.id, joined=joined)


def _as_it_is(member: Member, record: NodeRecord) -> NodeRecord:
    """The record with what its provider and the node itself say now."""
    instance, observed = member.instance, member.observed
    now = replace(record, node=member.node)
    if instance is not None:
        now = replace(
            now,
            zone=instance.zone,
            kind=instance.kind,
            market=instance.market,
            protected=record.protected or instance.protected,
            operation=instance.operation or record.operation,
        )
    return now if observed is None else replace(now, joined=observed.joined)


def _with_agents(
    fleet: Fleet,
    snapshot: Snapshot,
    before: State,
    members: Members,
    nodes: Mapping[NodeName, NodeRecord],
    *,
    adopt: bool,
) -> State:
    """The record of these nodes and of the agents that are found on them."""
    copies, gone = Copies(snapshot), members.gone_names()
    agents: dict[AgentId, AgentRecord] = {}
    epochs = dict(before.epochs)
    for agent in {*before.agents, *copies.everyone()}:
        record, alive = before.agents.get(agent), copies.alive(agent)
        if alive and (record is not None or adopt):
            agents[agent] = _as_found(alive, record)
        elif record is not None and _unseen(record.node, snapshot, gone):
            agents[agent] = record
        latest = [seen.epoch for seen in copies.of(agent)]
        latest += [record.epoch] if record is not None else []
        if agent not in agents and (record is not None or adopt):
            epochs[agent] = max([epochs.get(agent, 0), *latest])
        elif agent in agents:
            epochs.pop(agent, None)
    return replace(
        before,
        nodes=in_order(nodes),
        agents=in_order(agents),
        epochs=in_order(epochs),
        specs=in_order(_specs(fleet, before, agents.values())),
    )


def _as_found(alive: list[AgentObservation], record: AgentRecord | None) -> AgentRecord:
    """Where it was recorded, if it runs there; else the latest."""
    recorded = record.node if record is not None else None
    seen = min(alive, key=lambda a: (a.node != recorded, -a.epoch, a.node))
    return AgentRecord(seen.id, seen.node, seen.spec_digest, seen.epoch)


def _unseen(node: NodeName, snapshot: Snapshot, gone: frozenset[NodeName]) -> bool:
    return node not in gone and not isinstance(snapshot.nodes.get(node), NodeObservation)


def _specs(fleet: Fleet, before: State, agents: Iterable[AgentRecord]) -> Mapping[str, AgentSpec]:
    """Those that are recorded, and those configured ones that are found in use."""
    used = {agent.spec_digest for agent in agents}
    configured = {spec_digest(spec): spec for spec in fleet.agents.values()}
    return {d: spec for d, spec in configured.items() if d in used} | dict(before.specs)


def _differing(kind: str, before: Mapping[K, R], after: Mapping[K, R]) -> Iterator[Drift]:
    for name in sorted({*before, *after}, key=by_name):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Drift(f"{kind}.{name}", "is taken in" if old is None else "is dropped")
        elif old != new:
            yield Drift(f"{kind}.{name}", ", ".join(_words(old, new)))


def _words(old: NodeRecord | AgentRecord, new: NodeRecord | AgentRecord) -> Iterator[str]:
    """`epoch 3 -> 4`; of how a node is reached only its address."""
    for field in fields(old):
        was, now = getattr(old, field.name), getattr(new, field.name)
        if was == now:
            continue
        if isinstance(was, Node) and isinstance(now, Node):
            ways = [f"{n.address}:{n.port}" if n.port else n.address for n in (was, now)]
            moved = ways[0] != ways[1]
            yield f"reached at {ways[0]} -> {ways[1]}" if moved else "reached in another way"
        else:
            name = field.name.replace("_", " ")
            yield f"{name} {_shown(was)} -> {_shown(now)}"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "nothing"
