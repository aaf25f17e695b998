"""What will be seen once a plan is carried out, as far as that is known before.

What is measured stays as it was, so nothing that depends on measurements is to be planned from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Step
from phoenixctl.model.snapshot import (
    AgentObservation,
    AgentState,
    Cordon,
    NodeObservation,
    NodeUnobserved,
    Snapshot,
)
from phoenixctl.planning.addresses import spec_name

_ENDS: Final = (Action.STOP, Action.DRAIN)
_AGAIN: Final = (Action.RESTART, Action.UPDATE)
UNFORESEEN: Final = frozenset({Action.CREATE, Action.JOIN, Action.DESTROY, Action.FORGET})
"""Which nodes there are after these is not known before."""


def foreseen(snapshot: Snapshot, steps: Iterable[Step], fleet: Fleet) -> Snapshot:
    """The snapshot after these steps, in their order. None of them is UNFORESEEN."""
    seen: dict[NodeName, NodeObservation | NodeUnobserved] = dict(snapshot.nodes)
    for step in steps:
        node = seen.get(step.node)
        if isinstance(node, NodeObservation):
            seen[step.node] = _after(node, step, seen, fleet)
        if step.action is Action.MIGRATE and step.source is not None and step.agent is not None:
            source = seen.get(step.source)
            if isinstance(source, NodeObservation):
                seen[step.source] = _without(source, step.agent)
    return replace(snapshot, nodes=MappingProxyType(seen))


def _after(
    node: NodeObservation,
    step: Step,
    seen: Mapping[NodeName, NodeObservation | NodeUnobserved],
    fleet: Fleet,
) -> NodeObservation:
    match step.action:
        case Action.CORDON:
            return replace(node, cordon=Cordon("this plan", "", step.reason))
        case Action.UNCORDON:
            return replace(node, cordon=None)
        case Action.START | Action.MIGRATE if step.agent is not None:
            started = _started(step, step.agent, node, seen, fleet)
            others = tuple(a for a in node.agents if a.id != step.agent)
            return replace(node, agents=(*others, started))
        case _:
            return replace(node, agents=tuple(_changed(a, step) for a in node.agents))


def _changed(agent: AgentObservation, step: Step) -> AgentObservation:
    if agent.id != step.agent:
        return agent
    if step.action in _ENDS:
        return replace(agent, state=AgentState.STOPPED, pid=None, ready=None)
    if step.action in _AGAIN:
        return _running(agent, step)
    return agent


def _without(node: NodeObservation, agent: AgentId) -> NodeObservation:
    return replace(node, agents=tuple(a for a in node.agents if a.id != agent))


def _started(
    step: Step,
    agent: AgentId,
    node: NodeObservation,
    seen: Mapping[NodeName, NodeObservation | NodeUnobserved],
    fleet: Fleet,
) -> AgentObservation:
    """As it was found anywhere, or a new one."""
    before = max(_copies(agent, seen), key=lambda a: a.epoch, default=None)
    if before is not None:
        return _running(replace(before, node=step.node), step)
    name, ordinal = spec_name(agent), int(agent.rpartition("-")[2])
    spec = fleet.agents.get(name)
    return AgentObservation(
        id=agent,
        node=step.node,
        state=AgentState.RUNNING,
        supervisor=node.supervisor,
        spec_name=name,
        ordinal=ordinal,
        spec_digest=step.spec_digest,
        epoch=1,
        port=spec.port_of(ordinal) if spec is not None else None,
        pid=None,
        started_at=None,
        ready=None,
        detail="",
        limits={},
        metrics={},
    )


def _running(agent: AgentObservation, step: Step) -> AgentObservation:
    digest = step.spec_digest or agent.spec_digest
    return replace(
        agent, state=AgentState.RUNNING, ready=None, spec_digest=digest, epoch=agent.epoch + 1
    )


def _copies(
    agent: AgentId, seen: Mapping[NodeName, NodeObservation | NodeUnobserved]
) -> Iterator[AgentObservation]:
    for node in seen.values():
        if isinstance(node, NodeObservation):
            yield from (a for a in node.agents if a.id == agent)
