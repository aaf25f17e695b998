"""Who cannot reach whom: from a bounded number of probes between nodes to parts of the fleet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from phoenixctl.model.names import NodeName

Links = Mapping[NodeName, Mapping[NodeName, bool | None]]
"""By node, whether it reached each node that it tried; None: it cannot tell."""


@dataclass(frozen=True, slots=True)
class Partition:
    """`parts`: nodes of which each reaches the others of its part, directly or through them; the
    largest first. More than one is a partition. `broken`: ways that do not work, one direction
    each. `unseen`: nodes that gave us no answer, by those that reach them. `silent`: nodes that
    nobody reaches. `unknown`: nodes that cannot tell whom they reach.
    """

    parts: tuple[tuple[NodeName, ...], ...]
    broken: tuple[tuple[NodeName, NodeName], ...]
    unseen: Mapping[NodeName, tuple[NodeName, ...]]
    silent: tuple[NodeName, ...]
    unknown: tuple[NodeName, ...]
    probes: int

    @property
    def whole(self) -> bool:
        return len(self.parts) <= 1


def probes(nodes: Iterable[NodeName], *, each: int) -> dict[NodeName, tuple[NodeName, ...]]:
    """Whom each node tries, at most so many; each is tried by as many others.

    In a ring in the order of names, the next ones at distances 1, 2, 4 and so on: a cut of the
    fleet in two crosses many of these ways, wherever it is.
    """
    ring = sorted(nodes)
    count = len(ring)
    distances: list[int] = []
    step = 1
    while step < count and len(distances) < each:
        distances.append(step)
        step *= 2
    rest = (d for d in range(1, count) if d not in distances)
    distances += [d for d, _ in zip(rest, range(max(0, each - len(distances))), strict=False)]
    return {
        name: tuple(ring[(place + d) % count] for d in sorted(distances))
        for place, name in enumerate(ring)
    }


def judged(answering: Iterable[NodeName], silent: Sequence[NodeName], links: Links) -> Partition:
    """`answering` nodes gave us an answer, `silent` ones did not; `links` are of the former."""
    here = tuple(answering)
    reached_by: dict[NodeName, list[NodeName]] = {name: [] for name in silent}
    leader = {name: name for name in here}

    def head(name: NodeName) -> NodeName:
        while leader[name] != name:
            name = leader[name]
        return name

    broken: list[tuple[NodeName, NodeName]] = []
    deaf = set(here)  # until one of their probes tells something
    for source, targets in links.items():
        for target, reached in targets.items():
            if reached is None:
                continue
            deaf.discard(source)
            if target in reached_by:
                if reached:
                    reached_by[target].append(source)
                continue
            if reached:
                first, second = sorted((head(source), head(target)))
                leader[second] = first
            else:
                broken.append((source, target))
    parts: dict[NodeName, list[NodeName]] = {}
    unknown = tuple(sorted(n for n in deaf if links.get(n)))
    for name in sorted(here):
        parts.setdefault(head(name), []).append(name)
    alone = {name for name in unknown if parts.get(name) == [name]}  # nothing is known of them
    ordered = sorted(
        (tuple(part) for first, part in parts.items() if first not in alone),
        key=lambda part: (-len(part), part),
    )
    return Partition(
        parts=tuple(ordered),
        broken=tuple(sorted(broken)),
        unseen={name: tuple(sorted(by)) for name, by in reached_by.items() if by},
        silent=tuple(sorted(name for name, by in reached_by.items() if not by)),
        unknown=unknown,
        probes=sum(len(targets) for targets in links.values()),
    )
