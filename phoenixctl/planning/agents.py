"""What is done to agents: a place for each that needs one, and the steps that bring it there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phoenixctl.model.fleet import Agent
from phoenixctl.model.names import AgentId
from phoenixctl.model.placement import Placement
from phoenixctl.model.plan import Action
from phoenixctl.placement.filters.assigned import misplaced
from phoenixctl.planning.addresses import about
from phoenixctl.planning.copies import left_alone
from phoenixctl.planning.draft import Draft
from phoenixctl.planning.making import Making
from phoenixctl.planning.needs import Needs, Placed
from phoenixctl.planning.order import by_name
from phoenixctl.planning.proof import unproven
from phoenixctl.planning.seating import Seating
from phoenixctl.planning.starting import fits_nowhere


def draft_agents(needs: Needs, making: Making, seating: Seating) -> Mapping[str, Sequence[str]]:
    """Add all steps about agents, and warnings about those that are left as they are.

    Some agents have no other place than the node that they are on: why, by the step that was to
    end that node. It must not, see `keep_nodes`.
    """
    drafting = _Drafting(making, seating)
    drafting.end(needs)
    drafting.start_and_move(needs)
    drafting.change(needs)
    drafting.move_later([p for p in needs.move if _later(p)])
    for nodes, agents in needs.hidden.items():
        if making.ground.returning.issuperset(nodes):
            back = f"{' and '.join(nodes)} {'is' if len(nodes) == 1 else 'are'} back"
            making.draft.notes.append(f"{', '.join(agents)}: looked at when {back}")
            continue
        known_as = (address for agent in agents for address in about(agent))
        making.draft.warn(left_alone(nodes, agents), *known_as)
    for agent, nodes in needs.unproven:
        making.draft.warn(unproven(agent, nodes, making.leases), *about(agent.id))
    making.draft.notes += seating.notes()
    return drafting.kept


def keep_nodes(draft: Draft, kept: Mapping[str, Sequence[str]]) -> None:
    """Let these nodes stay, whose agents have no other place."""
    for ends in sorted(kept, key=by_name):
        if ends in draft.steps:
            node = draft.steps[ends].node
            draft.leave_out((ends,), f"{node} stays as it is: {'; '.join(kept[ends])}")


@dataclass
class _Drafting:
    making: Making
    seating: Seating
    kept: dict[str, list[str]] = field(default_factory=dict)  # by the step that would end a node
    given_way: set[AgentId] = field(default_factory=set)

    def end(self, needs: Needs) -> None:
        for seen, why in needs.end:
            self.making.end(seen, why, gently=False)
        for seen, why in needs.unwanted:
            self.making.end(seen, why, gently=True)
        self.seating.without([seen for seen, _ in (*needs.end, *needs.unwanted)])

    def start_and_move(self, needs: Needs) -> None:
        """First those that have no other way than to get a new place."""
        moving = [p for p in needs.move if not _later(p)]
        here = [(p.agent, p.seen.node) for p in (*needs.move, *needs.surge)]
        waiting = {a.id for a in needs.start} | {agent.id for agent, _ in here}
        if not waiting:
            return
        self.seating.open(waiting, here)
        homes = {a.id: self.making.copies.homes(a.id) for a in needs.start}
        agents = [*needs.start, *(p.agent for p in moving)]
        found = self.seating.seat(agents, homes=homes, thorough=True)
        # What gives way to one that gives way itself comes before that one goes.
        for winner, victims in reversed(tuple(found.preempted.items())):
            for victim in victims:
                self._give_way(victim, winner, found)
        for agent in needs.start:
            if agent.id in found.assigned:
                self.making.start(agent, found.assigned[agent.id])
            else:
                self._warn(agent.id, fits_nowhere(agent.id, found.unplaced[agent.id]))
        for placed in moving:
            self._move(placed, found)

    def change(self, needs: Needs) -> None:
        """Then those that could be changed where they are."""
        for placed in needs.resume:
            if placed.agent.id not in self.given_way:
                self.making.resume(placed)
        for placed in needs.update:
            if placed.agent.id not in self.given_way:
                self.making.update(placed)
        for placed in needs.back:
            self.making.back(placed)
        apart = {(p.agent.id, p.seen.node) for p in needs.surge}
        found = self.seating.seat([p.agent for p in needs.surge], apart=apart)
        for placed in needs.surge:
            if placed.agent.id in found.assigned:
                self.making.move(placed, found.assigned[placed.agent.id])
            else:
                self._note(f"{placed.agent.id} is updated in place: no other node has room for it")
                self.making.update(placed)

    def move_later(self, moving: Sequence[Placed]) -> None:
        """Then node by node those whose nodes are made anew one after the other: each may go to a
        node that is there by then."""
        by_rank: dict[int, list[Placed]] = {}
        for placed in moving:
            by_rank.setdefault(placed.rank, []).append(placed)
        later = self.making.ground.later
        for rank in sorted({*by_rank, *later}):
            if rank in later:
                self.seating.add(later[rank])
            alike = by_rank.get(rank, [])
            found = self.seating.seat([p.agent for p in alike])
            for placed in alike:
                self._move(placed, found)

    def _give_way(self, victim: AgentId, winner: AgentId, found: Placement) -> None:
        seen = self.making.copies.present(victim)
        agent = Agent(self.making.fleet.agents[seen.spec_name], seen.ordinal)
        to = found.assigned.get(victim)
        starting = f"{Action.START} {winner}@{found.assigned[winner]}"
        placed = Placed(agent, seen, f"it makes room for {winner}")
        self.making.give_way(placed, to, starting)
        self.given_way.add(victim)
        if to is None:
            why = fits_nowhere(victim, found.unplaced[victim])
            self._warn(victim, f"{victim} makes room for {winner}; {why}")

    def _move(self, placed: Placed, found: Placement) -> None:
        agent, leaving = placed.agent, placed.leaving
        if agent.id in found.assigned:
            self.making.move(placed, found.assigned[agent.id])
            return
        why = fits_nowhere(agent.id, found.unplaced[agent.id])
        if leaving is None:
            where = f"{agent.id} stays on {placed.seen.node}"
            self._warn(agent.id, f"{where}, though {placed.why}; {why}")
        elif leaving.forced:
            self._warn(agent.id, why)
            self.making.drain(placed)
        elif leaving.back is not None and not self._misplaced(placed):
            self._note(f"{agent.id} is down while its node is made anew: {why}")
            self.making.back(placed)
        else:
            self.kept.setdefault(str(leaving.ends), []).append(why)

    def _misplaced(self, placed: Placed) -> bool:
        node = self.making.fleet.nodes[placed.seen.node]
        return misplaced(placed.agent.spec, node) is not None

    def _warn(self, agent: AgentId, text: str) -> None:
        self.making.draft.warn(text, *about(agent))

    def _note(self, text: str) -> None:
        self.making.draft.notes.append(text)


def _later(placed: Placed) -> bool:
    """Whether it may go to a node that is made in the course of the plan."""
    return placed.rank > 0 and placed.leaving is not None and placed.leaving.back is None
