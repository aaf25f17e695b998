"""What is not as it was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Drift
from phoenixctl.model.snapshot import AgentObservation, NodeObservation, Snapshot
from phoenixctl.model.state import AgentRecord, State
from phoenixctl.planning.copies import Copies
from phoenixctl.planning.members import Member, Members
from phoenixctl.planning.order import by_name
from phoenixctl.planning.orphans import Orphan, drift_of_orphans, foreign


def drift_of(
    state: State,
    snapshot: Snapshot,
    members: Members,
    copies: Copies,
    orphans: Sequence[Orphan],
    *,
    hint: str,
) -> tuple[Drift, ...]:
    """Nodes first, then agents, then orphans with the `hint`, by name. What cannot be seen now is
    no drift."""
    return (
        *_of_nodes(state, members),
        *_of_agents(state, snapshot, members, copies),
        *drift_of_orphans(orphans, hint=hint),
    )


def _of_nodes(state: State, members: Members) -> Iterator[Drift]:
    found: list[Drift] = []
    for record in members.gone:
        what = f"gone: its provider does not have {record.id} any more"
        found.append(Drift(f"node.{record.node.name}", what))
    for stranger in foreign(members, state):
        by = stranger.lineage or "an unknown one"
        what = f"{stranger.id} is not in this record, but in {by}; refresh --adopt takes it in"
        found.append(Drift(f"node.{stranger.node.name}", what))
    for member in members.everyone():
        found += [Drift(f"node.{member.name}", what) for what in _of_member(member)]
    yield from sorted(found, key=lambda drift: (by_name(drift.address), drift.what))


def _of_member(member: Member) -> Iterator[str]:
    record, instance = member.record, member.instance
    if record is None:
        return
    if member.halted and instance is not None:
        yield f"it is {instance.phase} at its provider"
    if instance is not None and instance.protected and not record.protected:
        yield "its provider protects it, which is not recorded"
    seen = member.observed
    if seen is not None and seen.joined and record.joined and seen.joined != record.joined:
        yield f"it has the bootstrap {seen.joined}, recorded is {record.joined}"


def _of_agents(
    state: State, snapshot: Snapshot, members: Members, copies: Copies
) -> Iterator[Drift]:
    gone = members.gone_names()
    everyone = copies.everyone()
    for agent in sorted({*state.agents, *everyone}, key=by_name):
        record, alive = state.agents.get(agent), copies.alive(agent)
        what = _of_agent(record, alive, copies.of(agent), snapshot.nodes, gone)
        yield from (Drift(f"agent.{agent}", text) for text in what)


def _of_agent(
    record: AgentRecord | None,
    alive: list[AgentObservation],
    found: Iterable[AgentObservation],
    nodes: Mapping[NodeName, object],
    gone: frozenset[NodeName],
) -> Iterator[str]:
    if record is None:
        for seen in alive:
            yield f"runs on {seen.node}, which is not recorded"
        return
    for seen in alive:
        if seen.node != record.node:
            yield f"runs on {seen.node}, recorded on {record.node}"
        elif seen.spec_digest and seen.spec_digest != record.spec_digest:
            yield f"runs with spec {seen.spec_digest}, recorded with {record.spec_digest}"
    if not alive and (record.node in gone or isinstance(nodes.get(record.node), NodeObservation)):
        here = next((seen for seen in found if seen.node == record.node), None)
        state = "gone with it" if record.node in gone else str(here.state) if here else "not there"
        yield f"recorded on {record.node}, and is {state}"
