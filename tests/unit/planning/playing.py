"""Playbooks for tests: a fleet, what is seen of it, and steps.

world = World(fleet(...), (seen("a", ...), seen("b")))
plan = world.batch(stages(Drain(), Exec(("true",))), nodes("a"))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from phoenixctl.model.fleet import Fleet, Share
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Plan
from phoenixctl.model.playbook import Batch, Choice, Move, Playbook, Stage, Task
from phoenixctl.model.snapshot import NodeObservation, NodeUnobserved, Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning.known import STATIC
from phoenixctl.planning.playbook import Chapter, Over, Planned, outline, plan_batch
from phoenixctl.planning.playbook_moves import Moves
from tests.builders import snapshot
from tests.unit.planning.changing import instance, record, recorded


def stages(*does: Task | Move) -> tuple[Stage, ...]:
    """Each called by its kind: `drain`, `exec`."""
    return tuple(Stage(type(do).__name__.lower(), do) for do in does)


def nodes(letters: str) -> Batch:
    return Batch(nodes=tuple(map(NodeName, letters)))


def agents(*ids: str) -> Batch:
    return Batch(agents=tuple(map(AgentId, ids)))


def playbook(*steps: Stage, on: Choice | None = None, rollback: Sequence[Stage] = ()) -> Playbook:
    """On all nodes, one at a time, without any failure."""
    none = Share(count=0)
    chosen = Choice(nodes=("*",)) if on is None else on
    return Playbook("test", "", {}, chosen, (Share(count=1),), none, steps, tuple(rollback))


@dataclass
class World:
    fleet: Fleet
    seen: tuple[NodeObservation | NodeUnobserved, ...]

    @property
    def state(self) -> State:
        hosts = self.fleet.nodes
        return recorded(
            *(record(s.name, provider=STATIC) if s.name in hosts else record(s.name)
              for s in self.seen)
        )  # fmt: skip

    @property
    def snapshot(self) -> Snapshot:
        return snapshot(*self.seen)

    @property
    def moves(self) -> Moves:
        listed = {
            pool.name: tuple(instance(s.name) for s in self.seen if s.name not in self.fleet.nodes)
            for pool in self.fleet.pools.values()
            if pool.provider != STATIC
        }
        return Moves(self.fleet, self.fleet, self.state, listed, "digest", {})

    def planned(self, steps: Sequence[Stage], batch: Batch, over: Over = ()) -> Planned:
        return plan_batch(steps, batch, self.snapshot, self.fleet, self.moves, over=over)

    def batch(self, steps: Sequence[Stage], batch: Batch, over: Over = ()) -> Plan:
        return self.planned(steps, batch, over).plan

    def outline(self, book: Playbook, batches: Sequence[Batch]) -> tuple[Chapter, ...]:
        return outline(book, batches, self.snapshot, self.fleet, self.moves)
