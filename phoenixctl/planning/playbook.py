"""A playbook becomes plans: one for each batch, made from what is seen when its turn comes.

Within a batch, and for the outline that is read before, later steps are planned from what earlier
ones will leave.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Fleet, Share
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.plan import Action, Breach, Plan, Risk, Step
from phoenixctl.model.playbook import (
    EVERYWHERE,
    Approve,
    Batch,
    Batches,
    Copy,
    Drain,
    Exec,
    Move,
    Notify,
    Playbook,
    Rebalance,
    RotateHostKey,
    Scale,
    Stage,
    Task,
    Uncordon,
    Wait,
)
from phoenixctl.model.snapshot import Cordon, NodeObservation, Snapshot
from phoenixctl.planning.foresee import UNFORESEEN, foreseen

_ACTION: Final[Mapping[type[Task], Action]] = {
    Exec: Action.EXEC,
    Copy: Action.COPY,
    Wait: Action.WAIT,
    Approve: Action.APPROVE,
    Notify: Action.NOTIFY,
    RotateHostKey: Action.ROTATE,
}
_EACH: Final = (Exec, Copy, RotateHostKey)  # on every node of the batch, by itself
_OF_THE_FLEET: Final = (Scale, Rebalance)  # planned from what is measured, never foreseen
_FORESEEN: Final = 24  # batches of an outline; of more, a person reads none


class Movers(Protocol):
    """Plans the moves of a playbook from a snapshot."""

    def __call__(self, move: Move, batch: Batch, snapshot: Snapshot) -> Plan: ...


Over = Collection[tuple[str, str]]
"""Steps of a playbook that are over for a node, an agent, or `*`: for all."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """What is done with one batch. `later` are steps of the playbook that can be planned only when
    their turn comes; `plan` is None when that is so of all."""

    number: int
    batch: Batch
    plan: Plan | None
    later: tuple[str, ...] = ()


def batches_of(names: Sequence[str], serial: Sequence[Share]) -> tuple[tuple[str, ...], ...]:
    """The names in batches of these sizes, at least one each; the last size is that of all others.

    Without names there is one batch, which is about the fleet as a whole.
    """
    if not names:
        return ((),)
    found: list[tuple[str, ...]] = []
    rest = tuple(names)
    while rest:
        share = serial[min(len(found), len(serial) - 1)]
        size = max(1, share.of(len(names)))
        found.append(rest[:size])
        rest = rest[size:]
    return tuple(found)


def stages_of(playbook: Playbook, number: int, count: int) -> tuple[Stage, ...]:
    """The steps that are made with the batch of that number (from 0) of so many."""
    due = {Batches.EACH}
    due |= {Batches.FIRST} if number == 0 else set()
    due |= {Batches.LAST} if number == count - 1 else set()
    return tuple(stage for stage in playbook.steps if stage.batches in due)


def closing(playbook: Playbook, batches: Iterable[Batch]) -> frozenset[NodeName]:
    """The nodes of these batches, if the playbook leaves them cordoned: what comes from others
    would only have to leave again."""
    turns = [s.do for s in playbook.steps if s.batches is Batches.EACH]
    last = [do for do in turns if isinstance(do, Drain | Uncordon)][-1:]
    if not last or isinstance(last[0], Uncordon):
        return frozenset()
    return frozenset(name for batch in batches for name in batch.nodes)


def owners_of(
    steps: Sequence[Step], stages: Iterable[Stage], batch: Batch
) -> Mapping[str, str | None]:
    """By the key of each step, whose it is: a node's or agent's of the batch, or `*`: everybody's.

    What is done elsewhere with an agent belongs to whom the rest is that is done with it. None:
    it only helps others.
    """
    by_name = {stage.name: stage for stage in stages}
    owners = {step.key: _owner(step, by_name.get(step.stage), batch) for step in steps}
    with_agent = {
        (step.stage, str(step.agent)): owners[step.key]
        for step in steps
        if step.agent is not None and owners[step.key] is not None
    }

    def owner(step: Step) -> str | None:
        return owners[step.key] or with_agent.get((step.stage, str(step.agent)))

    return {step.key: owner(step) for step in steps}


def _owner(step: Step, stage: Stage | None, batch: Batch) -> str | None:
    if stage is None:
        return None
    if isinstance(stage.do, _OF_THE_FLEET) or step.node == EVERYWHERE or not batch.names:
        return str(EVERYWHERE)
    if batch.agents:
        return step.agent if step.agent in batch.agents else None
    place = step.node if step.source is None else step.source
    return place if place in batch.nodes else None


def outline(
    playbook: Playbook,
    batches: Sequence[Batch],
    snapshot: Snapshot,
    fleet: Fleet,
    movers: Movers,
    *,
    first: int = 0,
    over: Over = (),
) -> tuple[Chapter, ...]:
    """All that is left to do, from the batch of the number `first`, of which `over` is done.

    The plan of that one is as it will be carried out; those of later ones are as foreseen now.
    """
    chapters: list[Chapter] = []
    now: Snapshot | None = snapshot
    for number in range(first, len(batches)):
        batch, stages = batches[number], stages_of(playbook, number, len(batches))
        if now is None or len(chapters) == _FORESEEN:
            chapters.append(Chapter(number, batch, None, tuple(s.name for s in stages)))
            continue
        done = over if number == first else ()
        exact = number == first
        closed = closing(playbook, batches[number + 1 :])
        planned = plan_batch(
            stages, batch, now, fleet, movers, over=done, closed=closed, measured=exact
        )
        chapters.append(Chapter(number, batch, planned.plan, planned.later))
        now = planned.after if not planned.later else None
    return tuple(chapters)


@dataclass(frozen=True, slots=True)
class Planned:
    """A batch's plan; what is left for when more is known; what will be seen, if that is known."""

    plan: Plan
    later: tuple[str, ...]
    after: Snapshot | None


def plan_batch(
    stages: Sequence[Stage],
    batch: Batch,
    snapshot: Snapshot,
    fleet: Fleet,
    movers: Movers,
    *,
    over: Over = (),
    closed: Collection[NodeName] = (),
    title: str = "",
    measured: bool = True,
) -> Planned:
    """These steps of a playbook for one batch, as far as they can be planned from the snapshot.

    Each node goes on by itself; what is about all of them waits for all. Nodes that are `closed`
    take nothing. `measured`: the snapshot is what was seen, and not foreseen.
    """
    woven = _Woven(batch, measured=measured)
    now = snapshot
    for number, stage in enumerate(stages):
        left = left_of(batch, stage, over)
        if left is None:
            continue
        if woven.is_unforeseen or (isinstance(stage.do, _OF_THE_FLEET) and not woven.is_fresh):
            later = tuple(stage.name for stage in stages[number:])
            return Planned(woven.plan(title), later, None)
        if isinstance(stage.do, Task):
            woven.add_tasks(stage.name, stage.do, left)
        else:
            plan = movers(stage.do, left, _without(closed, now))
            woven.add_plan(stage, plan)
            if not woven.is_unforeseen:
                now = foreseen(now, plan.steps, fleet)
    return Planned(woven.plan(title), (), None if woven.is_unforeseen else now)


def _without(closed: Collection[NodeName], snapshot: Snapshot) -> Snapshot:
    """The snapshot, in which these nodes take nothing."""
    seen = dict(snapshot.nodes)
    for name in closed:
        node = seen.get(name)
        if isinstance(node, NodeObservation) and node.cordon is None:
            seen[name] = replace(node, cordon=Cordon("this playbook", "", "its turn comes"))
    return replace(snapshot, nodes=seen)


def left_of(batch: Batch, stage: Stage, over: Over) -> Batch | None:
    """The part of the batch for which the step is not over; None when it is for all."""
    if (stage.name, str(EVERYWHERE)) in over:
        return None
    nodes = tuple(name for name in batch.nodes if (stage.name, str(name)) not in over)
    agents = tuple(name for name in batch.agents if (stage.name, str(name)) not in over)
    return Batch(nodes, agents) if nodes or agents or not batch.names else None


@dataclass
class _Woven:
    """The plan of a batch in the making.

    `lasts` are by node or agent the steps that its next one waits for; `all_of_it` are those of
    steps that are about nobody in particular.
    """

    batch: Batch
    measured: bool
    steps: dict[str, Step] = field(default_factory=dict)
    lasts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    all_of_it: tuple[str, ...] = ()
    parts: list[Plan] = field(default_factory=list)
    is_unforeseen: bool = False

    @property
    def is_fresh(self) -> bool:
        """Whether what is planned next is planned from what was measured."""
        return self.measured and not any(part.steps for part in self.parts)

    def add_tasks(self, stage: str, task: Task, left: Batch) -> None:
        if isinstance(task, _EACH):
            for node in left.nodes:
                self._add(_step(stage, task, node), self._before(node))
                self.lasts[node] = (f"{_ACTION[type(task)]} {stage}@{node}",)
            return
        if isinstance(task, Wait) and not task.agents:
            task = replace(task, nodes=left.nodes)
        step = _step(stage, task, EVERYWHERE)
        self._add(step, self._before(None))
        self.lasts.clear()
        self.all_of_it = (step.key,)

    def add_plan(self, stage: Stage, plan: Plan) -> None:
        own = {step.key for step in plan.steps}
        steps = [replace(step, stage=stage.name) for step in plan.steps]
        owners = owners_of(steps, (stage,), self.batch)
        found: dict[str | None, list[str]] = {}
        for step in steps:
            owner = None if owners[step.key] == EVERYWHERE else owners[step.key]
            first = () if own & set(step.after) else self._before(owner)
            self._add(step, (*first, *step.after))
            found.setdefault(owner, []).append(step.key)
            self.is_unforeseen |= step.action in UNFORESEEN
        if None in found:  # then all that comes waits for all that there is
            self.all_of_it = tuple(key for keys in (*self.lasts.values(), *found.values())
                                   for key in keys)  # fmt: skip
            self.lasts.clear()
        else:
            self.lasts.update({str(name): tuple(keys) for name, keys in found.items()})
        self.parts.append(plan)

    def plan(self, title: str) -> Plan:
        return Plan(
            title,
            tuple(self.steps.values()),
            unchanged=_each(part.unchanged for part in self.parts),
            warnings=_each(part.warnings for part in self.parts),
            notes=_each(part.notes for part in self.parts),
            breaches=tuple(breach for part in self.parts for breach in part.breaches),
            sizes={pool: size for part in self.parts for pool, size in part.sizes.items()},
        )

    def _before(self, subject: str | None) -> tuple[str, ...]:
        """What a step of the subject waits for; without one, all that there is."""
        if subject is not None:
            return self.lasts.get(subject, self.all_of_it)
        return (*self.all_of_it, *(key for keys in self.lasts.values() for key in keys))

    def _add(self, step: Step, after: Iterable[str]) -> None:
        if step.key in self.steps:
            raise UsageError(
                f"{self.steps[step.key].stage} and {step.stage} would both {step.key}",
                hint="write two playbooks, and run one after the other",
            )
        self.steps[step.key] = replace(step, after=tuple(dict.fromkeys(after)))


def _each(parts: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for part in parts for text in part))


def _step(stage: str, task: Task, node: NodeName) -> Step:
    risky = isinstance(task, Exec | Copy | RotateHostKey)
    risk = Risk.DISRUPTIVE if risky else Risk.SAFE
    return Step(_ACTION[type(task)], node, None, said(task), risk, stage=stage, task=task)


def said(task: Task) -> str:
    """What it does, for people."""
    match task:
        case Exec():
            return " ".join(task.argv)
        case Copy():
            return f"{task.source} to {task.target}"
        case Wait():
            bound = f"below {task.below:g}" if task.below is not None else f"above {task.above:g}"
            of = ", ".join(task.agents) or "each node"
            return f"until {task.metric} of {of} is {bound}, for {task.within_seconds:g}s at most"
        case Notify():
            return f"{' '.join(task.argv)}: {task.text}" if task.text else " ".join(task.argv)
        case Approve():
            return task.text
        case RotateHostKey():
            return "a new ed25519 key, known here before it is used there"


def breaches_of(chapters: Iterable[Chapter]) -> Iterator[tuple[int, Breach]]:
    """What a guard forbids, with the number of the batch."""
    for chapter in chapters:
        if chapter.plan is not None:
            for breach in chapter.plan.breaches:
                yield chapter.number, breach


def batch_of(names: Iterable[str], playbook: Playbook) -> Batch:
    """A batch by the names of its nodes or agents."""
    if playbook.on.agents:
        return Batch(agents=tuple(AgentId(name) for name in names))
    return Batch(nodes=tuple(NodeName(name) for name in names))
