"""Singletons on nodes that do not answer: what proves that they do not run there any more."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from phoenixctl.model.fleet import Agent
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Step

LEASE: Final = "lease."  # before an agent's id: the address of its lease


@dataclass(frozen=True, slots=True)
class Leases:
    """For agents of which all permissions are known: the seconds until the last of them has
    certainly run out and the agent has ended, on whatever node; not above 0 once that is so."""

    left: Mapping[AgentId, float] = field(default_factory=lambda: MappingProxyType({}))

    def over(self, agent: AgentId) -> bool:
        return self.left.get(agent, math.inf) <= 0


NO_LEASES: Final = Leases()


def unproven(agent: Agent, nodes: Sequence[NodeName], leases: Leases) -> str:
    """A warning about a singleton that is not started, for it may run on these silent nodes; that
    somebody takes them for dead is not enough."""
    where = f"{' or '.join(nodes)}, which {'does' if len(nodes) == 1 else 'do'} not answer"
    left = leases.left.get(agent.id)
    if agent.spec.lease_seconds is None:
        lease = "it has no lease that would run out"
    elif left is None:
        lease = "when its lease runs out is not known here"
    else:
        lease = f"its lease has surely run out in {math.ceil(left)}s"
    these = " ".join(f"--fenced {node}" for node in nodes)
    machines = "that machine is" if len(nodes) == 1 else "those machines are"
    return (
        f"{agent.id}: a singleton, left alone, may run on {where}; {lease}; it starts elsewhere"
        f" too once its provider has stopped it there, or if {machines} surely off: {these}"
    )


def relying_on_lease(step: Step, lapsed: Collection[AgentId]) -> Step:
    """The start of a singleton that relies on the end of its lease says so: before it is carried
    out, that is looked at again."""
    if step.action is not Action.START or step.agent not in lapsed:
        return step
    return replace(step, relies_on={**step.relies_on, f"{LEASE}{step.agent}": "over"})
