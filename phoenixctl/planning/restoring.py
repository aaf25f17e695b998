"""What a plan says of the state that agents start with, as far as it is known before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Change, Plan, Step
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.model.state import State
from phoenixctl.model.units import format_duration
from phoenixctl.planning.addresses import spec_name
from phoenixctl.planning.peers import Shelves, offers


def restorable(plan: Plan, fleet: Fleet) -> tuple[Step, ...]:
    """The starts of agents whose checkpoints are kept on other nodes."""
    return tuple(step for step in plan.steps if _is_restorable(step, fleet))


def _is_restorable(step: Step, fleet: Fleet) -> bool:
    if step.action is not Action.START or step.agent is None:
        return False
    spec = fleet.agents.get(spec_name(step.agent))
    return spec is not None and spec.checkpoints is not None


def with_restores(
    plan: Plan,
    fleet: Fleet,
    state: State,
    snapshot: Snapshot,
    *,
    shelves: Shelves,
    silent: Collection[NodeName],
) -> Plan:
    """The plan, with what each start begins from: its change `state`, a note, or a warning.

    `silent` are the nodes that did not say what they keep.
    """
    telling = _Telling(state, snapshot, shelves, tuple(sorted(silent)))
    told = [telling.step(s) if _is_restorable(s, fleet) else s for s in plan.steps]
    return replace(
        plan,
        steps=tuple(told),
        notes=(*plan.notes, *telling.notes()),
        warnings=(*plan.warnings, *telling.warnings()),
    )


class _Telling:
    def __init__(
        self, state: State, snapshot: Snapshot, shelves: Shelves, silent: tuple[NodeName, ...]
    ) -> None:
        self._state = state
        self._snapshot = snapshot
        self._shelves = shelves
        self._silent = silent
        self._restored: list[str] = []
        self._empty: list[AgentId] = []

    def step(self, step: Step) -> Step:
        agent = AgentId(str(step.agent))
        found = self._snapshot.find(agent)
        here = max((seen.epoch for seen in found if seen.node == step.node), default=0)
        offered = offers(agent, self._shelves, above=here, target=step.node)
        if offered:
            age = format_duration(offered[0].kept.age_seconds)
            self._restored.append(f"{agent} ({age} old)")
            change = Change("state", None, f"from its last checkpoint, {age} old")
        elif self._last_epoch(agent) > here and self._may_be_missed(agent):
            self._empty.append(agent)
            change = Change("state", None, None, known=not self._silent)
        else:
            return step
        return replace(step, changes=(*step.changes, change))

    def _last_epoch(self, agent: AgentId) -> int:
        """The highest that it is known to have been started with."""
        record = self._state.agents.get(agent)
        seen = (found.epoch for found in self._snapshot.find(agent))
        recorded = record.epoch if record else 0
        return max((recorded, self._state.epochs.get(agent, 0), *seen))

    def _may_be_missed(self, agent: AgentId) -> bool:
        """Its state is or was somewhere; not so once it was purged."""
        known = agent in self._state.agents or bool(self._snapshot.find(agent))
        return known or bool(self._silent)

    def notes(self) -> Sequence[str]:
        if not self._restored:
            return ()
        one = len(self._restored) == 1
        start = "starts from its last checkpoint" if one else "start from their last checkpoints"
        what = "it acknowledged" if one else "they acknowledged"
        return (f"{', '.join(self._restored)} {start}; what {what} since is lost",)

    def warnings(self) -> Sequence[str]:
        if not self._empty:
            return ()
        start = "starts" if len(self._empty) == 1 else "start"
        also = f" that answers; {', '.join(self._silent)} may have one" if self._silent else ""
        return (f"{', '.join(self._empty)} {start} empty: no checkpoint on any node{also}",)
