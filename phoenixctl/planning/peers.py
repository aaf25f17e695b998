"""Which nodes keep an agent's checkpoints, which of these are too many, where one is to be had."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.fleet import Fleet
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.snapshot import NodeObservation, Snapshot
from phoenixctl.placement.labels import label_of
from phoenixctl.remote.checkpoints import CheckpointId, Kept, Shelf

ZONE: Final = "zone"  # the label that names a node's failure domain

Shelves = Mapping[NodeName, Shelf]
"""What the nodes that answered keep."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A checkpoint, and the nodes that have it."""

    kept: Kept
    nodes: tuple[NodeName, ...]


def peers_of(
    agent: AgentId, home: NodeName, fleet: Fleet, snapshot: Snapshot
) -> Iterator[NodeName]:
    """The nodes that may keep the agent's checkpoints, the best first.

    Those that answer and are not cordoned; one after the other of a zone that neither its own node
    nor one before is in. Within that, by rendezvous hashing: a fleet's agents spread evenly, and a
    node that comes or goes changes nothing for the others.
    """
    left = [
        name
        for name, seen in snapshot.nodes.items()
        if name != home and name in fleet.nodes and _takes(seen)
    ]
    left.sort(key=lambda name: (_weight(agent, name), name), reverse=True)
    used = {_zone(home, fleet)}
    while left:
        best = next((name for name in left if _zone(name, fleet) not in used), left[0])
        left.remove(best)
        used.add(_zone(best, fleet))
        yield best


def _takes(seen: object) -> bool:
    return isinstance(seen, NodeObservation) and seen.cordon is None


def _weight(agent: AgentId, node: NodeName) -> bytes:
    """Source: Thaler, Ravishankar, "A name-based mapping scheme for rendezvous", 1996."""
    return hashlib.sha256(f"{agent}\n{node}".encode()).digest()


def _zone(name: NodeName, fleet: Fleet) -> str | None:
    node = fleet.nodes[name]
    return label_of(ZONE, node, fleet.pools.get(node.pool))


def kept_of(agent: AgentId, shelves: Shelves) -> Iterator[tuple[NodeName, Kept]]:
    """Every copy of every checkpoint of an agent."""
    for node, shelf in shelves.items():
        yield from ((node, kept) for kept in shelf.kept.get(agent, ()))


def newest(agent: AgentId, shelves: Shelves) -> Kept | None:
    """Its latest checkpoint that any node has."""
    found = (kept for _, kept in kept_of(agent, shelves))
    return max(found, key=lambda kept: kept.id, default=None)


def surplus(
    agent: AgentId, shelves: Shelves, keep: int, also: Iterable[CheckpointId] = ()
) -> Mapping[NodeName, tuple[CheckpointId, ...]]:
    """What is older than the last `keep` checkpoints of an agent, by node; `also` are new ones that
    no shelf shows yet."""
    copies = list(kept_of(agent, shelves))
    ids = sorted({kept.id for _, kept in copies} | set(also), reverse=True)
    stay = set(ids[:keep])
    found: dict[NodeName, list[CheckpointId]] = {}
    for node, kept in copies:
        if kept.id not in stay:
            found.setdefault(node, []).append(kept.id)
    return {node: tuple(sorted(names)) for node, names in found.items()}


def offers(agent: AgentId, shelves: Shelves, *, above: int, target: NodeName) -> tuple[Offer, ...]:
    """The checkpoints that are later than a state of epoch `above`, the newest first; of the nodes
    that have one, the target comes first.

    All that an agent did in an epoch it did on one node, so what that node has of it is later than
    any checkpoint of the same epoch.
    """
    where: dict[CheckpointId, list[NodeName]] = {}
    found: dict[CheckpointId, Kept] = {}
    for node, kept in kept_of(agent, shelves):
        if kept.id.epoch > above:
            where.setdefault(kept.id, []).append(node)
            known = found.setdefault(kept.id, kept)
            if kept.age_seconds > known.age_seconds:
                found[kept.id] = kept
    return tuple(
        Offer(found[mark], tuple(sorted(where[mark], key=lambda n: (n != target, n))))
        for mark in sorted(found, reverse=True)
    )
