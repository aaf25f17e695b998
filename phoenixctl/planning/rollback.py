"""The opposite of an earlier operation, as far as things are still as it left them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from phoenixctl.model.fleet import AgentSpec, Fleet, Guards
from phoenixctl.model.plan import Action, Basis, Breach, Plan, Step
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning.copies import Copies
from phoenixctl.planning.draft import Draft
from phoenixctl.planning.guarding import breaches
from phoenixctl.planning.undoing import Undoing


class Ended(Protocol):
    """What became of one step."""

    @property
    def key(self) -> str: ...

    @property
    def outcome(self) -> str: ...


class Named(Protocol):
    @property
    def id(self) -> str: ...


class Past(Protocol):
    """An operation that has ended; `specs` are those of its agents, before and after, by digest."""

    @property
    def entry(self) -> Named: ...

    @property
    def plan(self) -> Plan: ...

    @property
    def ends(self) -> Sequence[Ended]: ...

    @property
    def specs(self) -> Mapping[str, AgentSpec]: ...


def plan_rollback(
    past: Past,
    fleet: Fleet,
    state: State,
    snapshot: Snapshot,
    *,
    guards: Guards | None = None,
    config_digest: str | None = None,
) -> Plan:
    """The inverse of every step that ended well, in the reverse order.

    `fleet` has all nodes that are known. What is not as the operation left it, and what cannot be
    taken back, stays as it is, with a warning. With a `config_digest` the plan can be kept.
    """
    ended_well = {end.key for end in past.ends if end.outcome == "ok"}
    done = [step for step in past.plan.steps if step.key in ended_well]
    copies, draft = Copies(snapshot), Draft()
    undoing = Undoing(past.entry.id, done, past.specs, fleet, state, snapshot, copies, draft)
    undone = {step.key: undoing.undo(step) for step in reversed(done)}
    _reverse(draft, done, undone)
    steps = draft.in_order()
    basis = Basis(fleet.name, state.lineage, state.serial, config_digest or "")
    return Plan(
        f"roll back {past.entry.id}",
        steps,
        warnings=tuple(dict.fromkeys(text for text, _ in draft.warnings)),
        breaches=tuple(_breaches(steps, guards or fleet.guards, copies, fleet, state)),
        basis=None if config_digest is None else basis,
        sizes={pool: _size(pool, steps, state) for pool in sorted(past.plan.sizes)},
    )


def _reverse(draft: Draft, done: Iterable[Step], undone: Mapping[str, Sequence[str]]) -> None:
    """What takes a step back comes after what takes back all that has waited for that step."""
    waited: dict[str, list[str]] = {}
    for step in done:
        for key in step.after:
            waited.setdefault(key, []).append(step.key)
    for key, steps in undone.items():
        earlier = [k for later in _taken_back(key, waited, undone) for k in undone[later]]
        for own in steps:
            draft.wait(own, (k for k in earlier if k not in steps))


def _taken_back(
    key: str, waited: Mapping[str, Sequence[str]], undone: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """The next steps after this one, along every chain, that are taken back."""
    waiting, seen = list(waited.get(key, ())), set[str]()
    while waiting:
        later = waiting.pop()
        if later in seen:
            continue
        seen.add(later)
        if undone[later]:
            yield later
        else:
            waiting += waited.get(later, ())


def _breaches(
    steps: Sequence[Step], guards: Guards, copies: Copies, fleet: Fleet, state: State
) -> Iterator[Breach]:
    for step in steps:
        record = state.nodes.get(step.node)
        ends = step.action in (Action.DESTROY, Action.FORGET)
        if ends and record is not None and record.protected:
            what = f"{step.node} is protected and would go"
            yield Breach("protected", what, f"phoenixctl nodes unprotect {step.node}")
    yield from breaches(steps, guards, copies, nodes=set(fleet.nodes), spared=())


def _size(pool: str, steps: Sequence[Step], state: State) -> int:
    """How many nodes the pool has when all is taken back: so many are wanted then."""
    now = sum(record.node.pool == pool for record in state.nodes.values())
    mine = [step for step in steps if step.pool == pool]
    made = sum(step.action is Action.CREATE for step in mine)
    return now + made - sum(step.action is Action.DESTROY for step in mine)
