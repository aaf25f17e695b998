"""The steps about single agents: start, update, move, end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from phoenixctl.model.fleet import Agent, AgentSpec, Fleet, Order
from phoenixctl.model.moving import Way
from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Change
from phoenixctl.model.snapshot import AgentObservation, AgentState
from phoenixctl.model.state import State
from phoenixctl.planning import steps
from phoenixctl.planning.changes import moved, spec_changes
from phoenixctl.planning.copies import Copies, Hidden
from phoenixctl.planning.digests import Digests
from phoenixctl.planning.draft import Draft, Turn
from phoenixctl.planning.ground import Ground
from phoenixctl.planning.needs import Placed
from phoenixctl.planning.proof import NO_LEASES, Leases
from phoenixctl.planning.starting import left_behind, why_start
from phoenixctl.planning.ways import way_of


@dataclass
class Making:
    """Adds steps about agents to the draft, each waiting for what it needs of others.

    `fenced` finds silent nodes that are destroyed: what may run there starts elsewhere after that.
    """

    draft: Draft
    fleet: Fleet
    state: State
    ground: Ground
    copies: Copies
    digests: Digests
    fenced: Hidden
    leases: Leases = NO_LEASES
    _freed: dict[NodeName, list[str]] = field(default_factory=dict)

    def end(self, seen: AgentObservation, why: str, *, gently: bool) -> None:
        """Stop a copy for good; `gently` lets it finish its work, if its spec says how."""
        alive = seen.state is not AgentState.FAILED
        drains = gently and alive and self._drains(seen)
        key = self.draft.add(steps.end(Action.DRAIN if drains else Action.STOP, seen, why))
        self._freed.setdefault(seen.node, []).append(key)

    def start(self, agent: Agent, node: NodeName) -> None:
        """Start what runs nowhere, after what is left of it elsewhere was stopped."""
        found = self.copies.of(agent.id)
        left = left_behind(found, node)
        record = self.state.agents.get(agent.id)
        hiding = self.fenced.may_hold(agent.spec, record.node if record else None)
        fences = (self.ground.leaving[name].ends for name in hiding)
        after = (
            *(self.draft.add(step) for step in left),
            *self._ready(agent, node),
            *(key for key in fences if key is not None),
        )
        here = next((seen for seen in found if seen.node == node), None)
        changed = self._changed(agent, here) if here is not None else ()
        key = self._start(agent, node, why_start(found, node), after, changed)
        self._turn(agent, (key,), key, down=True)

    def resume(self, placed: Placed) -> None:
        """Start it where a stop of it is under way; the command waits there for that."""
        agent, node = placed.agent, placed.seen.node
        key = self._start(agent, node, placed.why, self.ground.join(node), ())
        self._turn(agent, (key,), key, down=True)

    def update(self, placed: Placed) -> None:
        """Stop it and start it anew where it is."""
        agent, seen = placed.agent, placed.seen
        digest, changed = self.digests.of(agent.spec), self._changed(agent, seen)
        after = self.ground.join(seen.node)
        step = steps.update(seen, placed.why, digest=digest, changed=changed, after=after)
        key = self.draft.add(step)
        self._turn(agent, (key,), key, down=not placed.healthy)

    def move(self, placed: Placed, to: NodeName) -> str:
        """Off its node and onto another, in the order of its rollout; how its drain is called."""
        agent, seen = placed.agent, placed.seen
        changed = (moved(seen.node, to), *self._changed(agent, seen))
        why, ready = f"it moves: {placed.why}", self._ready(agent, to)
        forced = placed.leaving is not None and placed.leaving.forced
        if agent.spec.migration is not None and not forced:
            return self._migrate(placed, to, why, ready, changed)
        if agent.spec.rollout.order is Order.SURGE:
            first = self._start(agent, to, why, ready, changed)
            last = self.drain(placed, after=(first,))
        else:
            first = self.drain(placed)
            last = self._start(agent, to, why, (first, *ready), changed)
        self.draft.pair(first, last)
        self._turn(
            agent,
            (first,),
            last,
            rank=placed.rank,
            down=forced or not placed.healthy,
            takes_down=agent.spec.rollout.order is not Order.SURGE,
        )
        return last if agent.spec.rollout.order is Order.SURGE else first

    def _migrate(
        self,
        placed: Placed,
        to: NodeName,
        why: str,
        ready: Iterable[str],
        changed: tuple[Change, ...],
    ) -> str:
        agent, leaving = placed.agent, placed.leaving
        first = leaving.first if leaving is not None else ()
        # What does not serve can neither be asked for a checkpoint nor hand over to a standby.
        way = way_of(agent.spec) if placed.healthy else Way.COLD
        digest = self.digests.of(agent.spec)
        step = steps.migrate(
            placed.seen, to, way, why, digest=digest, changed=changed, after=(*first, *ready)
        )
        key = self.draft.add(step)
        group, takes_down = f"agent.{agent.spec.name}", way is not Way.LIVE
        self.draft.take_turn(
            Turn(
                group, agent.id, (key,), key, placed.rank,
                down=not placed.healthy, takes_down=takes_down,
            )
        )  # fmt: skip
        return key

    def give_way(self, placed: Placed, to: NodeName | None, starting: str) -> None:
        """Off its node for the step that starts another agent there; onto another node, if one has
        room for it."""
        if to is not None:
            drained = self.move(placed, to)
        else:
            drained = self.drain(placed)
            self._turn(placed.agent, (drained,), drained, down=not placed.healthy)
        self._freed.setdefault(placed.seen.node, []).append(drained)
        self.draft.pair(drained, starting)

    def back(self, placed: Placed) -> None:
        """Off its node and onto it again when it was made anew."""
        agent, seen = placed.agent, placed.seen
        first = self.drain(placed)
        ready = (first, *self.ground.join(seen.node))
        why = "its node was made anew"
        last = self._start(agent, seen.node, why, ready, self._changed(agent, seen))
        self.draft.pair(first, last)
        turn = Turn(f"agent.{agent.spec.name}", agent.id, (first,), last, placed.rank)
        self.draft.take_turn(replace(turn, down=not placed.healthy, together=seen.node))

    def drain(self, placed: Placed, after: Iterable[str] = ()) -> str:
        """Let it finish its work and stop it; with its node, unless that goes in any case."""
        leaving = placed.leaving
        first = leaving.first if leaving is not None else ()
        step = steps.end(Action.DRAIN, placed.seen, placed.why, after=(*first, *after))
        purpose = leaving.ends if leaving is not None and not leaving.forced else None
        return self.draft.add(step, purpose=purpose)

    def _start(
        self,
        agent: Agent,
        node: NodeName,
        why: str,
        after: Iterable[str],
        changed: tuple[Change, ...],
    ) -> str:
        digest = self.digests.of(agent.spec)
        step = steps.start(
            agent.id,
            node,
            why,
            digest=digest,
            after=dict.fromkeys(after),
            changed=changed or (Change("spec", None, digest),),
        )
        return self.draft.add(step)

    def _ready(self, agent: Agent, node: NodeName) -> tuple[str, ...]:
        """What comes first on the node: it joins, room is made, the agent's own copy ends."""
        wanted = agent.spec.resources
        asks = wanted.cpu is not None or wanted.memory is not None or bool(wanted.other)
        freed = self._freed.get(node, ())
        own = f"{agent.id}@{node}"
        return (
            *self.ground.join(node),
            *(key for key in freed if asks or key.endswith(f" {own}")),
        )

    def _changed(self, agent: Agent, seen: AgentObservation) -> tuple[Change, ...]:
        """What of its specification differs from the one it was started with."""
        digest = self.digests.of(agent.spec)
        if seen.spec_digest == digest:
            return ()
        before = self._recorded(seen)
        return spec_changes(before, agent.spec, (seen.spec_digest, digest))

    def _drains(self, seen: AgentObservation) -> bool:
        spec = self.fleet.agents.get(seen.spec_name) or self._recorded(seen)
        return spec is not None and spec.drain is not None

    def _recorded(self, seen: AgentObservation) -> AgentSpec | None:
        """What it was started with. Other specs may have the same digest: names are not in it."""
        spec = self.state.specs.get(seen.spec_digest)
        return spec if spec is not None and spec.name == seen.spec_name else None

    def _turn(
        self,
        agent: Agent,
        firsts: tuple[str, ...],
        last: str,
        *,
        rank: int = 0,
        down: bool = False,
        takes_down: bool = True,
    ) -> None:
        group = f"agent.{agent.spec.name}"
        self.draft.take_turn(Turn(group, agent.id, firsts, last, rank, down, takes_down))
