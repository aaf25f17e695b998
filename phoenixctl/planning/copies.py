"""Where agents were found, and where else they may be: looked up once for a whole plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from phoenixctl.model.fleet import AgentSpec, Fleet, Node
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.snapshot import AgentObservation, AgentState, NodeUnobserved, Snapshot
from phoenixctl.placement.filters.assigned import misplaced

ALIVE: Final = frozenset(
    {AgentState.STARTING, AgentState.RUNNING, AgentState.STOPPING, AgentState.UNKNOWN}
)


class Copies:
    """The agents of a snapshot by id. An agent has several copies when it was on several nodes."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._found: dict[AgentId, list[AgentObservation]] = {}
        for seen in snapshot.agents():
            self._found.setdefault(seen.id, []).append(seen)

    def of(self, agent: AgentId) -> Sequence[AgentObservation]:
        """In the order of the snapshot's nodes."""
        return self._found.get(agent, ())

    def alive(self, agent: AgentId) -> list[AgentObservation]:
        return [seen for seen in self.of(agent) if seen.state in ALIVE]

    def present(self, agent: AgentId) -> AgentObservation:
        """The copy of an agent that holds a place; there is one."""
        return next(seen for seen in self.of(agent) if seen.state is not AgentState.STOPPED)

    def homes(self, agent: AgentId) -> list[NodeName]:
        """Where it was before, the latest first: there is its state."""
        return [seen.node for seen in latest_first(self.of(agent))]

    def everyone(self) -> Mapping[AgentId, Sequence[AgentObservation]]:
        return self._found


def latest_first(found: Iterable[AgentObservation]) -> list[AgentObservation]:
    """The highest epoch is the latest home."""
    return sorted(found, key=lambda seen: (-seen.epoch, seen.node))


class Hidden:
    """Nodes that do not answer: what was found nowhere may run on one of them."""

    def __init__(self, silent: Iterable[NodeName], nodes: Mapping[NodeName, Node]) -> None:
        self._silent = {name: nodes[name] for name in silent}
        self._by_rule: dict[tuple[tuple[str, ...], ...], tuple[NodeName, ...]] = {}

    def may_hold(self, spec: AgentSpec, recorded: NodeName | None = None) -> tuple[NodeName, ...]:
        """The silent nodes on which an agent of this spec could be: those that it may be on, and
        that on which it is recorded, as the spec may have said something else before."""
        rule = (spec.pools, spec.nodes)
        if rule not in self._by_rule:
            self._by_rule[rule] = tuple(
                name for name, node in self._silent.items() if misplaced(spec, node) is None
            )
        found = self._by_rule[rule]
        if recorded is None or recorded not in self._silent or recorded in found:
            return found
        return (*found, recorded)


def silent_nodes(snapshot: Snapshot, fleet: Fleet, dead: Iterable[NodeName]) -> Hidden:
    """Those of a snapshot that nobody vouches for to be dead."""
    gone = set(dead)
    names = [
        name
        for name, seen in snapshot.nodes.items()
        if isinstance(seen, NodeUnobserved) and name not in gone
    ]
    return Hidden(names, fleet.nodes)


def left_alone(nodes: Sequence[NodeName], agents: Iterable[AgentId]) -> str:
    """A warning about agents that are not started, for they may run on these silent nodes."""
    these = " ".join(f"--assume-dead {node}" for node in nodes)
    where = f"{' or '.join(nodes)}, which {'does' if len(nodes) == 1 else 'do'} not answer"
    dead = "that machine is" if len(nodes) == 1 else "those machines are"
    return f"{', '.join(agents)}: left alone, may run on {where}; if {dead} dead: {these}"
