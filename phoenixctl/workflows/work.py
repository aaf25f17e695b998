"""One run's work: what its steps are done with, and what each of them leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, TypeVar

from phoenixctl.model.fleet import AgentSpec, Fleet, Node
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.outcome import Succeeded
from phoenixctl.model.plan import Plan, Step
from phoenixctl.model.snapshot import AgentObservation, Snapshot
from phoenixctl.model.state import NO_CHANGE, Patch, State, combined
from phoenixctl.ports.provider import Note
from phoenixctl.ports.reach import Job
from phoenixctl.ports.records import Operation
from phoenixctl.workflows.keeping import Listing
from phoenixctl.workflows.means import Manner, Means
from phoenixctl.workflows.observe import WHAT_RUNS, observe
from phoenixctl.workflows.specs import STARTING, Specs
from phoenixctl.workflows.traffic import Traffic

T = TypeVar("T")
NOTHING: Final[Mapping[str, AgentSpec]] = MappingProxyType({})


@dataclass(slots=True)
class Trail:
    """What one step leaves while it is done.

    `operation` began it, `notes` are those that an earlier, interrupted attempt has left, oldest
    first. `patch` is what certainly has changed: it is recorded however the step ends.
    """

    step: Step
    operation: str
    note: Note
    notes: tuple[Mapping[str, str], ...] = ()
    patch: Patch = NO_CHANGE

    def changed(self, patch: Patch) -> None:
        self.patch = combined(self.patch, patch)


class Work:
    """A run under the lock. Its fleet changes with the nodes that steps make and remove."""

    def __init__(
        self,
        means: Means,
        manner: Manner,
        operation: Operation,
        plan: Plan,
        specs: Mapping[str, AgentSpec] = NOTHING,
    ) -> None:
        self.means = means
        self.manner = manner
        self.operation = operation
        self.plan = plan
        # What is recorded and left the configuration is reached all the same.
        recorded = {name: record.node for name, record in operation.state.nodes.items()}
        self._nodes: dict[NodeName, Node] = {**recorded, **means.fleet.nodes}
        self.fleet: Fleet = replace(means.fleet, nodes=MappingProxyType(self._nodes))
        for name in recorded.keys() - means.fleet.nodes.keys():
            means.reach.add(recorded[name])
        self.specs = Specs(means.fleet, specs, lambda: operation.state)
        self.traffic = Traffic(self.fleet, means.routers, means.clock)
        self.listing: asyncio.Task[Listing] | None = None  # of checkpoints, when it is asked for
        self.saw(Snapshot(means.fleet.name, 0.0, "", {}))

    @property
    def state(self) -> State:
        """The record, with what was changed so far."""
        return self.operation.state

    def know(self, node: Node) -> None:
        """From now on there is this node, or it is reached this way."""
        self._nodes[node.name] = node
        self.means.reach.add(node)

    def forget(self, name: NodeName) -> None:
        self._nodes.pop(name, None)

    async def look(self, nodes: Iterable[NodeName]) -> Snapshot:
        """See what runs on these of the nodes that there are."""
        there = [name for name in dict.fromkeys(nodes) if name in self._nodes]
        means = self.means
        return await observe(
            self.fleet, means.reach, means.clock, means.records, nodes=there, depth=WHAT_RUNS
        )

    async def on(self, node: NodeName, job: Job[T]) -> T:
        """The value of a job on one node; its error is raised."""
        outcome = (await self.means.reach.each((node,), job))[node]
        if isinstance(outcome, Succeeded):
            return outcome.value
        raise outcome.error

    def saw(self, snapshot: Snapshot) -> None:
        """What the steps start from."""
        self.snapshot = snapshot
        self._seen = {(agent.node, agent.id): agent for agent in snapshot.agents()}
        self._begun = Counter(
            unfinished.step.agent
            for unfinished in self.operation.unfinished
            if unfinished.step.action in STARTING
        )
        self._epochs: dict[AgentId, int] = {}
        self._found: dict[AgentId, NodeName] = {}
        for agent in snapshot.agents():
            self._epochs[agent.id] = max(agent.epoch, self._epochs.get(agent.id, 0))
            self._found[agent.id] = min(agent.node, self._found.get(agent.id, agent.node))

    def seen(self, agent: AgentId, node: NodeName) -> AgentObservation | None:
        """The agent as it was found on the node when the run began."""
        return self._seen.get((node, agent))

    def found_on(self, agent: AgentId) -> NodeName | None:
        """A node where it was found when the run began, the first by name."""
        return self._found.get(agent)

    def epoch(self, agent: AgentId) -> int:
        """The highest epoch that the agent may ever have been started with; 0 for a new one."""
        record = self.state.agents.get(agent)
        known = (
            self._epochs.get(agent, 0),
            record.epoch if record else 0,
            self.state.epochs.get(agent, 0),
        )
        return max(known) + self._begun[agent]
