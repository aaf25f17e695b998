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


STANDBY: Final = "standby"


class Copies:
    """The agents of a snapshot by id. An agent has several copies when it was on several nodes.

    A standby is a copy that does no work: it is found, and never counts as the agent's being alive.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._found: dict[AgentId, list[AgentObservation]] = {}
        for seen in snapshot.agents():
            self._found.setdefault(seen.id, []).append(seen)

    def of(self, agent: AgentId) -> Sequence[AgentObservation]:
        """In the order of the snapshot's nodes."""
        return self._found.get(agent, ())

    def alive(self, agent: AgentId) -> list[AgentObservation]:
        return [a for a in self.of(agent) if a.state in ALIVE and a.role != STANDBY]

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
    """Nodes that do not answer: what was found nowhere may run on one of them.

    For singletons others count, if `for_singletons` names them: that somebody takes a node for dead
    is no proof, that its provider has stopped it is one.
    """

    def __init__(
        self,
        silent: Iterable[NodeName],
        nodes: Mapping[NodeName, Node],
        *,
        for_singletons: Iterable[NodeName] | None = None,
    ) -> None:
        self._silent = {name: nodes[name] for name in silent}
        self._for_singletons = self._silent
        if for_singletons is not None:
            self._for_singletons = {name: nodes[name] for name in for_singletons}
        self._by_rule: dict[tuple[object, ...], tuple[NodeName, ...]] = {}

    def may_hold(self, spec: AgentSpec, recorded: NodeName | None = None) -> tuple[NodeName, ...]:
        """The silent nodes on which an agent of this spec could be: those that it may be on, and
        that on which it is recorded, as the spec may have said something else before."""
        silent = self._for_singletons if spec.singleton else self._silent
        rule = (spec.pools, spec.nodes, spec.singleton)
        if rule not in self._by_rule:
            self._by_rule[rule] = tuple(
                name for name, node in silent.items() if misplaced(spec, node) is None
            )
        found = self._by_rule[rule]
        if recorded is None or recorded not in silent or recorded in found:
            return found
        return (*found, recorded)


def silent_nodes(
    snapshot: Snapshot, fleet: Fleet, dead: Iterable[NodeName], fenced: Iterable[NodeName] = ()
) -> Hidden:
    """Those of a snapshot that nobody vouches for to be dead; of the `fenced` it is certain."""
    certain = set(fenced)
    gone = certain | set(dead)
    silent = [name for name, seen in snapshot.nodes.items() if isinstance(seen, NodeUnobserved)]
    return Hidden(
        [name for name in silent if name not in gone],
        fleet.nodes,
        for_singletons=[name for name in silent if name not in certain],
    )


def left_alone(nodes: Sequence[NodeName], agents: Iterable[AgentId]) -> str:
    """A warning about agents that are not started, for they may run on these silent nodes."""
    these = " ".join(f"--assume-dead {node}" for node in nodes)
    where = f"{' or '.join(nodes)}, which {'does' if len(nodes) == 1 else 'do'} not answer"
    dead = "that machine is" if len(nodes) == 1 else "those machines are"
    return f"{', '.join(agents)}: left alone, may run on {where}; if {dead} dead: {these}"
