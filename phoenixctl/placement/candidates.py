"""What agents on each node asked for, without arrays: for whoever only asks which node is idle."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from phoenixctl.model.fleet import AgentSpec, Fleet, Node, Order, Resources
from phoenixctl.model.moving import Way
from phoenixctl.model.names import AgentId
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)
from phoenixctl.model.units import Bytes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node with the sum of what its agents asked for. `down_by_a_move`: so many of them are down
    for a moment when they move."""

    node: Node
    agents: frozenset[AgentId]
    cpu_promised: float = 0.0
    memory_promised: Bytes = Bytes(0)
    down_by_a_move: int = 0


def candidates(fleet: Fleet, snapshot: Snapshot) -> tuple[Candidate, ...]:
    """Every node of the fleet that the snapshot covers, in its order."""
    return tuple(
        _candidate(fleet, fleet.nodes[name], observed)
        for name, observed in snapshot.nodes.items()
        if name in fleet.nodes
    )


def living(
    observed: NodeObservation | NodeUnobserved, without: Collection[AgentId] = ()
) -> list[AgentObservation]:
    """The agents that have a place on the node, but those that are to be placed anew."""
    if isinstance(observed, NodeUnobserved):
        return []
    return [
        seen
        for seen in observed.agents
        if seen.state is not AgentState.STOPPED and seen.id not in without
    ]


def _candidate(fleet: Fleet, node: Node, observed: NodeObservation | NodeUnobserved) -> Candidate:
    there = living(observed)
    asked = tuple(_asked_for(fleet, seen.spec_name) for seen in there)
    specs = (fleet.agents.get(seen.spec_name) for seen in there)
    return Candidate(
        node,
        frozenset(seen.id for seen in there),
        sum(wanted.cpu or 0.0 for wanted in asked),
        Bytes(sum(wanted.memory or 0 for wanted in asked)),
        sum(spec is not None and _down_by_a_move(spec) for spec in specs),
    )


def _down_by_a_move(spec: AgentSpec) -> bool:
    if spec.migration is None:
        return spec.rollout.order is not Order.SURGE
    hooks = spec.drain is not None and spec.activate is not None
    return spec.migration.way is not Way.LIVE and not (spec.migration.way is None and hooks)


def _asked_for(fleet: Fleet, spec_name: str) -> Resources:
    spec = fleet.agents.get(spec_name)
    return spec.resources if spec else Resources()
