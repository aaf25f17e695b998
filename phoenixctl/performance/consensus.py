"""Whether a cluster of etcd or Consul can decide, as its members say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from phoenixctl.model.measuring import Asked, CollectorKind

KINDS = frozenset({CollectorKind.ETCD, CollectorKind.CONSUL})


class Standing(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"  # it decides; one more loss may end that
    LOST = "lost"  # no majority has a leader
    UNKNOWN = "unknown"  # nobody answered


@dataclass(frozen=True, slots=True)
class Consensus:
    """One cluster: of `members`, so many answered, are healthy, and know a leader."""

    name: str
    kind: CollectorKind
    members: int
    answered: int
    healthy: int
    led: int
    standing: Standing

    @property
    def majority(self) -> int:
        return self.members // 2 + 1


def consensus_of(asked: Iterable[Asked]) -> tuple[Consensus, ...]:
    """Each collector of such a kind is one cluster, its nodes are the members; the cluster may say
    that there are more.
    """
    clusters: dict[str, list[Asked]] = {}
    for one in asked:
        if one.collector.kind in KINDS:
            clusters.setdefault(one.collector.name, []).append(one)
    return tuple(_consensus(name, clusters[name]) for name in sorted(clusters))


def _consensus(name: str, asked: list[Asked]) -> Consensus:
    said = [{s.name: s.value for s in one.samples} for one in asked if one.samples]
    peers = max((int(values.get("consensus_peers", 0)) for values in said), default=0)
    members = max(len(asked), peers)
    healthy = sum(values.get("consensus_healthy") == 1 for values in said)
    led = sum(values.get("consensus_has_leader") == 1 for values in said)
    majority = members // 2 + 1
    if not said:
        standing = Standing.UNKNOWN
    elif min(healthy, led) < majority and len(said) >= majority:
        standing = Standing.LOST
    elif min(healthy, led) == members:
        standing = Standing.HEALTHY
    else:
        # Who has a leader has it from a majority, also from members that we do not see.
        standing = Standing.DEGRADED if led else Standing.LOST
    return Consensus(name, asked[0].collector.kind, members, len(said), healthy, led, standing)
