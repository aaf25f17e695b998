"""Who is where, counted by domain for every rule that asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from phoenixctl.model.names import AgentId
from phoenixctl.model.rules import AgentSelector
from phoenixctl.placement.labels import may_match

if TYPE_CHECKING:
    from phoenixctl.placement.arrays import At, Bools, Floats, Ints

_Key: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Domains:
    """The nodes by the value that they share. `codes` (N,): which of `values`, -1 for none."""

    codes: Ints
    values: tuple[str, ...]
    each: bool = False  # every node is one of its own, in their order

    def of(self, domains: Bools, at: At) -> Bools:
        """What is true of domains (D + 1,), of the nodes of `at`."""
        return domains[:-1][at] if self.each else domains[self.codes[at]]

    def value(self, node: int) -> str | None:
        code = int(self.codes[node])
        return None if code < 0 else self.values[code]


@dataclass(slots=True)
class Resident:
    """An agent with a place. `nodes` have a copy of it and hold room for it; it will be on those
    that are `settled` when all that is planned is done. `weight` is what it counts for in the
    balance, which is something also for an agent that asks for nothing."""

    spec_name: str
    labels: Mapping[str, str]
    need: Floats
    weight: Floats
    running: bool = False  # as observed, not placed in this run
    nodes: list[int] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tally:
    """Matching agents by domain (D + 1,), the last those in none: where they are, will be."""

    selector: AgentSelector
    codes: Ints
    there: Ints
    settled: Ints


@dataclass(slots=True)
class Residents:
    """All residents, and the tallies that were asked for; those are kept right by every change."""

    by_id: dict[AgentId, Resident] = field(default_factory=dict)
    _of_spec: dict[str, dict[AgentId, Resident]] = field(default_factory=dict)
    _tallies: dict[_Key, Tally] = field(default_factory=dict)
    _of_kind: dict[str, list[Tally]] = field(default_factory=dict)

    def forget_tallies(self) -> None:
        """There are other domains now."""
        self._tallies.clear()
        self._of_kind.clear()

    def come(
        self, agent: AgentId, made: Callable[[], Resident], node: int, *, moves: bool = True
    ) -> Resident:
        """One more copy. If it `moves`, it will not be any more where it was before."""
        resident = self.by_id.get(agent)
        if resident is None:
            resident = self.by_id[agent] = made()
            self._of_spec.setdefault(resident.spec_name, {})[agent] = resident
        left = resident.settled if moves else []
        for tally in self._concerned(agent, resident):
            tally.there[tally.codes[node]] += 1
            tally.settled[tally.codes[node]] += 1
            for before in left:
                tally.settled[tally.codes[before]] -= 1
        resident.nodes.append(node)
        resident.settled = [node] if moves else [*resident.settled, node]
        return resident

    def go(self, agent: AgentId, node: int) -> Resident:
        """One copy less; if it was to be there, it stays where else it is."""
        resident = self.by_id[agent]
        resident.nodes.remove(node)
        stays = [other for other in resident.settled if other != node]
        stays = stays or resident.nodes[-1:]
        for tally in self._concerned(agent, resident):
            tally.there[tally.codes[node]] -= 1
            for left in resident.settled:
                tally.settled[tally.codes[left]] -= 1
            for kept in stays:
                tally.settled[tally.codes[kept]] += 1
        resident.settled = stays
        if not resident.nodes:
            del self.by_id[agent], self._of_spec[resident.spec_name][agent]
        return resident

    def tally(self, selector: AgentSelector, label: str, domains: Domains) -> Tally:
        """The matching agents, counted by the domains of a label."""
        key = (selector.ids, selector.specs, tuple(sorted(selector.labels.items())), label)
        found = self._tallies.get(key)
        if found is None:
            empty = np.zeros(len(domains.values) + 1, np.int64)
            found = Tally(selector, domains.codes, empty, empty.copy())
            matching = list(self.matching(selector))
            for counts, places in (
                (found.there, [node for resident in matching for node in resident.nodes]),
                (found.settled, [node for resident in matching for node in resident.settled]),
            ):
                np.add.at(counts, domains.codes[places], 1)
            self._tallies[key] = found
            self._of_kind.clear()
        return found

    def matching(self, selector: AgentSelector) -> Iterable[Resident]:
        """All residents that fit a selector; those of a spec have the same labels."""
        for spec, alike in self._of_spec.items():
            first = next(iter(alike.values()), None)
            if first is None or not may_match(selector, spec, first.labels):
                continue
            if not selector.ids:
                yield from alike.values()
            else:
                yield from (alike[one] for one in dict.fromkeys(selector.ids) if one in alike)

    def of_spec(self, name: str) -> Mapping[AgentId, Resident]:
        return self._of_spec.get(name, {})

    def _concerned(self, agent: AgentId, resident: Resident) -> Iterator[Tally]:
        kind = resident.spec_name
        if kind not in self._of_kind:
            self._of_kind[kind] = [
                tally
                for tally in self._tallies.values()
                if may_match(tally.selector, kind, resident.labels)
            ]
        for tally in self._of_kind[kind]:
            if not tally.selector.ids or agent in tally.selector.ids:
                yield tally
