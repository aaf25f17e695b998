"""Steps that take single steps of an earlier operation back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from phoenixctl.model.fleet import AgentSpec, Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Change, Inverse, Risk, Step
from phoenixctl.model.snapshot import AgentObservation, NodeObservation, Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning import changes, steps
from phoenixctl.planning.addresses import spec_name
from phoenixctl.planning.copies import ALIVE, Copies
from phoenixctl.planning.digests import Digests
from phoenixctl.planning.draft import Draft
from phoenixctl.planning.known import is_configured
from phoenixctl.planning.weight_steps import weighed_back

_ENDS_NODE: Final = (Action.DESTROY, Action.FORGET)
# Nobody misses what they did: a copy that had failed was put away, a node that goes was marked,
# routers were told what runs.
_LOSES_NOTHING: Final = (
    Action.JOIN, Action.STOP, Action.RESTART, Action.WAIT, Action.APPROVE, Action.NOTIFY,
    Action.ROUTE,
)  # fmt: skip


@dataclass
class Undoing:
    """Adds to the draft what takes a step back, or a warning that says why nothing does."""

    operation: str
    done: Sequence[Step]
    specs: Mapping[str, AgentSpec]
    fleet: Fleet
    state: State
    snapshot: Snapshot
    copies: Copies
    draft: Draft
    _digests: Digests = field(default_factory=Digests)

    def undo(self, step: Step) -> tuple[str, ...]:
        """The keys of the steps that take it back, the last of them last."""
        if step.inverse is None:
            if step.action not in _LOSES_NOTHING or step.risk is Risk.DESTRUCTIVE:
                self._cannot(step, "nothing takes that back")
            return ()
        if step.node in self._made_anew and step.agent is None:
            if step.action is Action.DESTROY:
                self._cannot(step, "it was made anew, and the earlier machine is gone")
            return ()
        if step.action is Action.WEIGH:
            return (self.draft.add(weighed_back(step, self._why)),)
        if step.agent is not None:
            return self._undo_agent(step, step.agent, step.inverse)
        return self._undo_node(step, step.inverse)

    def _undo_agent(self, step: Step, agent: AgentId, inverse: Inverse) -> tuple[str, ...]:
        here = next((a for a in self.copies.alive(agent) if a.node == step.node), None)
        if inverse.action is Action.START:
            return self._start(step, agent, inverse.spec_digest)
        if here is None or here.spec_digest != step.spec_digest:
            return self._cannot(step, "it does not run there as that operation left it")
        if inverse.action is Action.MIGRATE:
            return self._migrate_back(step, here)
        if inverse.action is Action.STOP:
            return (self.draft.add(steps.end(Action.STOP, here, self._why)),)
        return self._update(step, here, inverse.spec_digest)

    def _migrate_back(self, step: Step, here: AgentObservation) -> tuple[str, ...]:
        if step.source is None or step.way is None:
            return self._cannot(step, "it is not known where it came from")
        observed = self.snapshot.nodes.get(step.source)
        if not isinstance(observed, NodeObservation):
            return self._cannot(step, f"{step.source} does not answer")
        if observed.cordon is not None and step.source not in self._uncordoned:
            return self._cannot(step, f"{step.source} is cordoned")
        back = steps.migrate(
            here,
            step.source,
            step.way,
            self._why,
            digest=here.spec_digest,
            changed=(changes.moved(step.node, step.source),),
        )
        return (self.draft.add(back),)

    def _start(self, step: Step, agent: AgentId, digest: str) -> tuple[str, ...]:
        """Start it where it was, unless it runs somewhere where this does not stop it."""
        elsewhere = [a for a in self.copies.alive(agent) if (agent, a.node) not in self._stopped]
        if elsewhere:
            return self._cannot(step, f"it runs on {elsewhere[0].node}")
        if self._spec(spec_name(agent), digest) is None:
            return self._cannot(step, f"its specification {digest} is not known any more")
        observed = self.snapshot.nodes.get(step.node)
        if step.node not in self._remade:
            if not isinstance(observed, NodeObservation):
                return self._cannot(step, f"{step.node} does not answer")
            if observed.cordon is not None and step.node not in self._uncordoned:
                return self._cannot(step, f"{step.node} is cordoned")
        return (self.draft.add(steps.start(agent, step.node, self._why, digest=digest)),)

    def _update(self, step: Step, here: AgentObservation, digest: str) -> tuple[str, ...]:
        name = here.spec_name
        before, now = self._spec(name, digest), self._spec(name, here.spec_digest)
        if before is None:
            return self._cannot(step, f"its specification {digest} is not known any more")
        changed = changes.spec_changes(now, before, (here.spec_digest, digest))
        return (self.draft.add(steps.update(here, self._why, digest=digest, changed=changed)),)

    def _undo_node(self, step: Step, inverse: Inverse) -> tuple[str, ...]:
        if step.node in self._remade and step.action not in _ENDS_NODE:
            return ()  # it comes back as it was before
        match inverse.action:
            case Action.DESTROY | Action.FORGET:
                return self._end(step, inverse.action)
            case Action.CREATE:
                return self._make(step)
            case Action.JOIN:
                return self._join_again(step)
            case Action.CORDON | Action.UNCORDON:
                return self._mark(step, on=inverse.action is Action.CORDON)
            case Action.PROTECT | Action.UNPROTECT:
                return self._protect(step, on=inverse.action is Action.PROTECT)
        return self._cannot(step, "nothing takes that back")

    def _end(self, step: Step, action: Action) -> tuple[str, ...]:
        """Empty the node and let it go. What was started there since is drained."""
        record, observed = self.state.nodes.get(step.node), self.snapshot.nodes.get(step.node)
        if record is None:
            return self._cannot(step, "it is not in the record any more")
        if record.operation not in ("", f"{self.operation} {step.key}"):
            return self._cannot(step, "it was made by another operation since")
        if not isinstance(observed, NodeObservation):
            return self._cannot(step, "it does not answer, so it cannot be drained")
        first: tuple[str, ...] = ()
        if observed.cordon is None:
            first = (self.draft.add(steps.cordon(step.node, self._why, pool=step.pool)),)
        others = [
            self.draft.add(steps.end(Action.DRAIN, seen, "its node goes away", after=first))
            for seen in observed.agents
            if seen.state in ALIVE and (seen.id, seen.node) not in self._stopped
        ]
        risk = Risk.DESTRUCTIVE if action is Action.DESTROY else Risk.DISRUPTIVE
        after = (*first, *others)
        last = Step(action, step.node, None, self._why, risk, after, pool=step.pool)
        return (*after, self.draft.add(last))

    def _make(self, step: Step) -> tuple[str, ...]:
        pool = self.fleet.pools.get(step.pool)
        if pool is None:
            return self._cannot(step, f"pool {step.pool} left the configuration")
        if step.node in self.state.nodes or step.node in self.fleet.nodes:
            return self._cannot(step, "there is one with that name again")
        made = Step(
            Action.CREATE,
            step.node,
            None,
            self._why,
            pool=step.pool,
            changes=changes.new_node(pool),
            inverse=Inverse(Action.DESTROY),
        )
        key = self.draft.add(made)
        return (key, self._join(step, after=(key,)))

    def _join_again(self, step: Step) -> tuple[str, ...]:
        node = self.fleet.nodes.get(step.node)
        if node is None or not is_configured(node, self.fleet):
            return self._cannot(step, "it is not in the configuration")
        if step.node in self.state.nodes:
            return self._cannot(step, "it has joined again")
        return (self._join(step),)

    def _join(self, step: Step, after: tuple[str, ...] = ()) -> str:
        changed = (Change("bootstrap", None, None, known=False),)
        join = Step(
            Action.JOIN, step.node, None, self._why, after=after, pool=step.pool, changes=changed
        )
        return self.draft.add(join)

    def _mark(self, step: Step, *, on: bool) -> tuple[str, ...]:
        observed = self.snapshot.nodes.get(step.node)
        if not isinstance(observed, NodeObservation):
            return self._cannot(step, "it does not answer")
        if (observed.cordon is not None) is on:
            return self._cannot(step, f"it is {'' if on else 'not '}cordoned now")
        mark = steps.cordon if on else steps.uncordon
        return (self.draft.add(mark(step.node, self._why, pool=step.pool)),)

    def _protect(self, step: Step, *, on: bool) -> tuple[str, ...]:
        record = self.state.nodes.get(step.node)
        if record is None or record.protected is on:
            return self._cannot(step, f"it is {'' if on else 'not '}protected now")
        action = Action.PROTECT if on else Action.UNPROTECT
        changed = (changes.yes if on else changes.no)("protected")
        inverse = Inverse(step.action)
        back = Step(action, step.node, None, self._why, pool=step.pool, changes=changed,
                    inverse=inverse)  # fmt: skip
        return (self.draft.add(back),)

    def _spec(self, name: str, digest: str) -> AgentSpec | None:
        """The specification with that digest, of that name if there are several."""
        configured = self.fleet.agents.get(name)
        if configured is not None and self._digests.of(configured) == digest:
            return configured
        return self.specs.get(digest) or self.state.specs.get(digest)

    def _cannot(self, step: Step, why: str) -> tuple[str, ...]:
        self.draft.warn(f"{step.key} is not taken back: {why}", step.address)
        return ()

    @cached_property
    def _why(self) -> str:
        return f"takes back operation {self.operation}"

    @cached_property
    def _made_anew(self) -> frozenset[NodeName]:
        return self._that(Action.DESTROY) & self._that(Action.CREATE)

    @cached_property
    def _remade(self) -> frozenset[NodeName]:
        """Nodes that were destroyed, and are made again by this."""
        pools = self.fleet.pools
        there = {*self.state.nodes, *self.fleet.nodes}
        destroyed = self._that(Action.DESTROY)
        gone = {s.node for s in self.done if s.node in destroyed and s.pool in pools}
        return frozenset(gone - there)

    @cached_property
    def _uncordoned(self) -> frozenset[NodeName]:
        return self._that(Action.CORDON)

    @cached_property
    def _stopped(self) -> frozenset[tuple[AgentId, NodeName]]:
        """Copies that were started, still run so, and are stopped by this."""
        started = {
            (s.agent, s.node): s.spec_digest
            for s in self.done
            if s.action is Action.START and s.agent is not None
        }
        return frozenset(
            (seen.id, seen.node)
            for agent, node in started
            for seen in self.copies.alive(agent)
            if seen.node == node and seen.spec_digest == started[agent, node]
        )

    def _that(self, action: Action) -> frozenset[NodeName]:
        """Nodes; an instance that was reaped may have had the name of one."""
        return frozenset(s.node for s in self.done if s.action is action and not s.instance)
