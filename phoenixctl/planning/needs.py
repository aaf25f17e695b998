"""What each agent needs: to be started, changed, moved or ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from phoenixctl.model.fleet import Agent, Fleet, Node, Order
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.snapshot import AgentObservation, AgentState
from phoenixctl.model.state import State
from phoenixctl.placement.filters.assigned import misplaced
from phoenixctl.planning.addresses import spec_name
from phoenixctl.planning.copies import ALIVE, STANDBY, Copies, Hidden
from phoenixctl.planning.digests import Digests
from phoenixctl.planning.ground import Leaving
from phoenixctl.planning.proof import NO_LEASES, Leases
from phoenixctl.planning.starting import is_in_the_way


@dataclass(frozen=True, slots=True)
class Placed:
    """An agent where it was found; what it leaves, if its node does not stay as it is."""

    agent: Agent
    seen: AgentObservation
    why: str
    leaving: Leaving | None = None

    @property
    def rank(self) -> int:
        return self.leaving.rank if self.leaving else 0

    @property
    def healthy(self) -> bool:
        return serves(self.seen)


@dataclass(slots=True)
class Needs:
    """Agents by what they need, each once. `start`: they run nowhere. `resume`: a stop of them was
    under way. `update` where they are; `surge`: the new one first, on another node. `move` off
    their node; `back`: off it and on it again when it was made anew. `end`: copies that are one too
    many, with the reason; `unwanted`: nobody asks for them. `hidden` may run on nodes that do not
    answer; of the singletons that might, those in `unproven` are not started, and those in `lapsed`
    are, for their leases are over. `down` are those of each spec that do not serve now."""

    start: list[Agent] = field(default_factory=list)
    resume: list[Placed] = field(default_factory=list)
    update: list[Placed] = field(default_factory=list)
    surge: list[Placed] = field(default_factory=list)
    move: list[Placed] = field(default_factory=list)
    back: list[Placed] = field(default_factory=list)
    end: list[tuple[AgentObservation, str]] = field(default_factory=list)
    unwanted: list[tuple[AgentObservation, str]] = field(default_factory=list)
    hidden: dict[tuple[NodeName, ...], list[AgentId]] = field(default_factory=dict)
    unproven: list[tuple[Agent, tuple[NodeName, ...]]] = field(default_factory=list)
    lapsed: set[AgentId] = field(default_factory=set)
    down: dict[str, set[AgentId]] = field(default_factory=dict)


def serves(seen: AgentObservation) -> bool:
    """Whether others can rely on it: it runs, and does not say that it is not ready."""
    return seen.state in (AgentState.RUNNING, AgentState.UNKNOWN) and seen.ready is not False


def needs_of(
    wanted: Sequence[Agent],
    fleet: Fleet,
    state: State,
    copies: Copies,
    digests: Digests,
    *,
    leaving: Mapping[NodeName, Leaving],
    silent: Hidden,
    leases: Leases = NO_LEASES,
    destroy: bool,
) -> Needs:
    """Every agent that is wanted or was found, by what it needs. `fleet` has all known nodes."""
    sorting = _Sorting(fleet.nodes, state, copies, digests, leaving, silent, leases)
    for agent in wanted:
        sorting.wanted(agent)
    _unwanted(wanted, fleet, copies, sorting.needs, destroy=destroy)
    return sorting.needs


@dataclass
class _Sorting:
    nodes: Mapping[NodeName, Node]
    state: State
    copies: Copies
    digests: Digests
    leaving: Mapping[NodeName, Leaving]
    silent: Hidden
    leases: Leases
    needs: Needs = field(default_factory=Needs)

    def wanted(self, agent: Agent) -> None:
        alive = self.copies.alive(agent.id)
        if not alive:
            self._down(agent)
            record = self.state.agents.get(agent.id)
            hiding = self.silent.may_hold(agent.spec, record.node if record else None)
            if hiding and not agent.spec.singleton:
                self.needs.hidden.setdefault(hiding, []).append(agent.id)
            elif hiding and not self.leases.over(agent.id):
                self.needs.unproven.append((agent, hiding))
            else:
                self.needs.start.append(agent)
                if hiding:
                    self.needs.lapsed.add(agent.id)
            return
        kept = alive[0] if len(alive) == 1 else min(alive, key=lambda a: self._rank(agent, a))
        if len(self.copies.of(agent.id)) > 1:
            self.needs.end += self._one_too_many(agent, kept)
        if not serves(kept):
            self._down(agent)
        self._kept(agent, kept)

    def _kept(self, agent: Agent, seen: AgentObservation) -> None:
        leaving = self.leaving.get(seen.node)
        off = misplaced(agent.spec, self.nodes[seen.node])
        surges = agent.spec.rollout.order is Order.SURGE
        if leaving is not None and leaving.forced:
            self._down(agent)  # it will be soon
        if off is not None:
            why = f"it may not be there any more ({off.constraint}: needs {off.need})"
            self.needs.move.append(Placed(agent, seen, why, leaving))
        elif leaving is not None:
            to = self.needs.back if leaving.back is not None and not surges else self.needs.move
            to.append(Placed(agent, seen, leaving.why, leaving))
        elif self.digests.of(agent.spec) != seen.spec_digest:
            known = bool(seen.spec_digest)
            why = "its spec has changed" if known else "what it was started with cannot be read"
            to = self.needs.surge if surges else self.needs.update
            to.append(Placed(agent, seen, why))
        elif seen.state is AgentState.STOPPING:
            self.needs.resume.append(Placed(agent, seen, "a stop of it was under way"))

    def _rank(self, agent: Agent, seen: AgentObservation) -> tuple[object, ...]:
        """Which of several to keep: one that may stay, the recorded one, the latest."""
        record = self.state.agents.get(agent.id)
        stays = seen.node not in self.leaving and not misplaced(agent.spec, self.nodes[seen.node])
        recorded = record is not None and record.node == seen.node
        return not stays, not recorded, -seen.epoch, seen.node

    def _one_too_many(
        self, agent: Agent, kept: AgentObservation
    ) -> Iterable[tuple[AgentObservation, str]]:
        for seen in self.copies.of(agent.id):
            if seen is kept or (seen.state is AgentState.STOPPED and not seen.held):
                continue
            yield seen, f"{_as_it_is(seen)} runs on {kept.node}"

    def _down(self, agent: Agent) -> None:
        self.needs.down.setdefault(agent.spec.name, set()).add(agent.id)


def _as_it_is(seen: AgentObservation) -> str:
    if seen.state in ALIVE:
        return "it is a standby there and" if seen.role == STANDBY else "it"
    held = f"is held back there ({seen.held})" if seen.held else "is failed there"
    return f"it {held} and"


def _unwanted(
    wanted: Iterable[Agent], fleet: Fleet, copies: Copies, needs: Needs, *, destroy: bool
) -> None:
    ids = {agent.id for agent in wanted}
    for agent, found in copies.everyone().items():
        if agent in ids:
            continue
        spec = fleet.agents.get(spec_name(agent))
        if destroy:
            why = "everything is to go"
        elif spec is None:
            why = "its spec left the configuration"
        else:
            count = f"{spec.replicas} replica{'' if spec.replicas == 1 else 's'}"
            why = f"{spec.name} has {count} now"
        needs.unwanted += [
            (seen, why) for seen in found if seen.state in ALIVE or is_in_the_way(seen)
        ]
