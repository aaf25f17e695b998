"""Which subjects belong together when a metric is asked for by node, pool, agent or fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from phoenixctl.metrics.subjects import FLEET, agent_of, node_of


class By(StrEnum):
    SUBJECT = "subject"  # each for itself
    NODE = "node"
    POOL = "pool"
    AGENT = "agent"  # on whichever node it was
    FLEET = "fleet"


def grouped(
    subjects: Sequence[str], by: By, pool_of: Mapping[str, str]
) -> Mapping[str, tuple[int, ...]]:
    """Positions in `subjects` by the name of their group, both in order.

    What nodes and their agents both have is counted once, as the nodes have it. The fleet's own
    values count for the fleet alone; a node that left the configuration is in no pool (`-`).
    """
    chosen = _chosen(subjects, by)
    found: dict[str, list[int]] = {}
    for position, subject in enumerate(subjects):
        if subject in chosen:
            found.setdefault(_name(subject, by, pool_of), []).append(position)
    return {name: tuple(found[name]) for name in sorted(found)}


def _chosen(subjects: Sequence[str], by: By) -> frozenset[str]:
    if by is By.SUBJECT:
        return frozenset(subjects)
    agents = frozenset(subject for subject in subjects if agent_of(subject))
    if by is By.AGENT:
        return agents
    nodes = frozenset(subjects) - agents - {FLEET}
    if by is By.FLEET and FLEET in subjects:
        return frozenset({FLEET})
    return nodes or agents


def _name(subject: str, by: By, pool_of: Mapping[str, str]) -> str:
    match by:
        case By.SUBJECT:
            return subject
        case By.AGENT:
            return agent_of(subject) or subject
        case By.FLEET:
            return FLEET
        case By.POOL:
            return pool_of.get(node_of(subject) or "", "-")
        case _:
            return node_of(subject) or subject
