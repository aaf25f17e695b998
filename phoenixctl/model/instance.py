"""A node as its provider has it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from phoenixctl.model.fleet import Node


class Phase(StrEnum):
    PENDING = "pending"  # asked for, not reachable yet
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    GONE = "gone"  # terminated; the provider still tells of it


@dataclass(frozen=True, slots=True)
class Instance:
    """What a provider knows of one node, and how that node is reached.

    `id` is the provider's own name for it. `zone`, `kind` (type of machine) and `market`
    (`on-demand` or `spot`) are empty where the provider has no such thing. `lineage` and
    `operation` are of whoever asked for it.
    """

    node: Node
    id: str
    phase: Phase = Phase.RUNNING
    zone: str = ""
    kind: str = ""
    market: str = ""
    protected: bool = False
    lineage: str = ""
    operation: str = ""
