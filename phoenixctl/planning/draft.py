"""A plan in the making: steps, and which of them make no sense without others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

from phoenixctl.model.names import NodeName
from phoenixctl.model.plan import Action, Step
from phoenixctl.planning.addresses import addresses
from phoenixctl.planning.order import Rank, by_name

# Among steps that wait for nothing of each other: what is built up, then what is taken down.
_ORDER: Final = {
    action: number
    for number, action in enumerate(
        (
            Action.UNPROTECT, Action.CREATE, Action.JOIN, Action.PROTECT, Action.UNCORDON,
            Action.CORDON, Action.STOP, Action.MIGRATE, Action.START, Action.UPDATE, Action.RESTART,
            Action.DRAIN, Action.REBOOT, Action.DESTROY, Action.FORGET, Action.ROUTE,
            Action.WEIGH,
        )
    )
}  # fmt: skip


Warned: TypeAlias = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing's turn in a rolling change: it begins with `firsts` and is over with `last`.

    `group` is what is rolled, `subject` the one of it. `down`: it does not serve as it is, so that
    nobody has to wait for its turn to begin. `takes_down`: without, the new one is there before
    the old one goes. Turns that share a node in `together` are all down at once.
    """

    group: str
    subject: str
    firsts: tuple[str, ...]
    last: str
    rank: int = 0
    down: bool = False
    takes_down: bool = True
    together: NodeName | None = None


@dataclass(slots=True)
class Draft:
    """Steps by key. Partners are both done or both left out; a step with a purpose is left out
    when that one is. Warnings stand with the addresses of what they are about."""

    steps: dict[str, Step] = field(default_factory=dict)
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    warnings: list[Warned] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _partners: dict[str, set[str]] = field(default_factory=dict)
    _purposes: dict[str, set[str]] = field(default_factory=dict)

    def add(self, step: Step, *, purpose: str | None = None) -> str:
        self.steps[step.key] = step
        if purpose is not None:
            self._purposes.setdefault(step.key, set()).add(purpose)
        return step.key

    def warn(self, text: str, *about: str) -> None:
        self.warnings.append((text, about))

    def pair(self, one: str, other: str) -> None:
        self._partners.setdefault(one, set()).add(other)
        self._partners.setdefault(other, set()).add(one)

    def take_turn(self, turn: Turn) -> None:
        self.turns.setdefault(turn.group, []).append(turn)

    def wait(self, key: str, earlier: Iterable[str]) -> None:
        """The step comes after these, too."""
        step = self.steps[key]
        after = dict.fromkeys((*step.after, *earlier))
        self.steps[key] = replace(step, after=tuple(after))

    def keep(self, keys: Iterable[str]) -> None:
        """Leave out all but these and what they cannot do without."""
        kept: set[str] = set()
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key not in kept:
                kept.add(key)
                waiting += [*self.steps[key].after, *self._partners.get(key, ())]
        self._left_out(self.steps.keys() - kept)

    def drop(self, keys: Iterable[str]) -> list[Step]:
        """Leave out these and all that makes no sense without them, in the order of their names."""
        dependents: dict[str, list[str]] = {}
        for key in self.steps:
            for needed in self._needs(key):
                dependents.setdefault(needed, []).append(key)
        gone: set[str] = set()
        waiting = [key for key in keys if key in self.steps]
        while waiting:
            key = waiting.pop()
            if key not in gone:
                gone.add(key)
                waiting += dependents.get(key, ())
        steps = [self.steps[key] for key in sorted(gone, key=by_name)]
        self._left_out(gone)
        return steps

    def leave_out(self, keys: Iterable[str], why: str) -> None:
        """Drop these with a warning, which also names what is left out with them."""
        named = {self.steps[key].address for key in keys}
        dropped = self.drop(keys)
        more = dict.fromkeys(step.address for step in dropped if step.address not in named)
        concerned = dict.fromkeys(address for step in dropped for address in addresses(step))
        self.warn(f"{why}; left out with it: {', '.join(more)}" if more else why, *concerned)

    def live_turns(self, group: str) -> list[Turn]:
        """The turns of a group whose steps are all there, in the order in which they come."""
        turns = self.turns.get(group, ())
        there = [t for t in turns if all(key in self.steps for key in (*t.firsts, t.last))]
        return sorted(there, key=_place_in_line)

    def in_order(self) -> tuple[Step, ...]:
        """Every step after those it waits for; otherwise by kind, then by name."""
        waits = {key: len(step.after) for key, step in self.steps.items()}
        dependents: dict[str, list[str]] = {}
        for key, step in self.steps.items():
            for earlier in step.after:
                dependents.setdefault(earlier, []).append(key)
        free = [(_rank(self.steps[key]), key) for key, count in waits.items() if not count]
        heapify(free)
        done: list[Step] = []
        while free:
            _, key = heappop(free)
            done.append(self.steps[key])
            for dependent in dependents.get(key, ()):
                waits[dependent] -= 1
                if not waits[dependent]:
                    heappush(free, (_rank(self.steps[dependent]), dependent))
        if len(done) < len(self.steps):
            circle = sorted(key for key, count in waits.items() if count)
            raise AssertionError(f"steps wait for each other: {', '.join(circle)}")
        return tuple(done)

    def _needs(self, key: str) -> Iterator[str]:
        yield from self.steps[key].after
        yield from self._partners.get(key, ())
        yield from self._purposes.get(key, ())

    def _left_out(self, keys: Iterable[str]) -> None:
        for key in keys:
            del self.steps[key]


def _place_in_line(turn: Turn) -> tuple[int, bool, Rank]:
    """Those that come back to a node that is made anew wait for all that leave it."""
    return turn.rank, turn.together is not None, by_name(turn.subject)


def _rank(step: Step) -> tuple[int, Rank, Rank]:
    return _ORDER[step.action], by_name(step.agent or ""), by_name(step.node)
