"""What is recorded of a fleet: nodes, agents, wanted sizes. The truth is on the nodes; a record can
be built anew from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

from phoenixctl.model.fleet import AgentSpec, Node
from phoenixctl.model.moving import Way
from phoenixctl.model.names import AgentId, NodeName

K = TypeVar("K")
V = TypeVar("V")

_EMPTY: Final[Mapping[Any, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """A node that was taken into the fleet. `joined` is the digest of the bootstrap it has, empty
    before it has joined; the rest is as in `model.instance.Instance`."""

    node: Node
    provider: str
    id: str
    zone: str = ""
    kind: str = ""
    market: str = ""
    protected: bool = False
    joined: str = ""
    operation: str = ""


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """Where an agent was last started, with which specification."""

    id: AgentId
    node: NodeName
    spec_digest: str
    epoch: int


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """A size asked for by hand or by autoscaling. It counts while the configuration's own size is
    still `configured`: whoever edits that later means it."""

    size: int
    configured: int | None
    by: str
    at: str  # RFC 3339


@dataclass(frozen=True, slots=True)
class Migrated:
    """One migration of an agent as it went.

    `downtime_seconds`: from the last moment at which it took work on its source until it took work
    again, there or on its target; as measured, None when that was not seen. `outcome`: done, or
    why it was taken back.
    """

    source: NodeName
    target: NodeName
    way: Way
    at: str  # RFC 3339
    outcome: str
    downtime_seconds: float | None = None
    bytes: int = 0
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """The record of a fleet. `lineage` names it for life, `serial` grows with every operation.

    `specs` keeps the specification of every recorded agent by its digest, so that one that left
    the configuration can still be drained, and an earlier one can be gone back to. `epochs` has
    those of agents that were stopped: an agent's next start has a higher one, wherever it is.
    `migrations` has the last of each agent, the latest last.
    """

    fleet: str
    lineage: str
    serial: int
    nodes: Mapping[NodeName, NodeRecord] = field(default_factory=lambda: _EMPTY)
    agents: Mapping[AgentId, AgentRecord] = field(default_factory=lambda: _EMPTY)
    pools: Mapping[str, PoolRecord] = field(default_factory=lambda: _EMPTY)
    specs: Mapping[str, AgentSpec] = field(default_factory=lambda: _EMPTY)
    epochs: Mapping[AgentId, int] = field(default_factory=lambda: _EMPTY)
    migrations: Mapping[AgentId, tuple[Migrated, ...]] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True)
class Patch:
    """A change to the record; None takes an entry away."""

    nodes: Mapping[NodeName, NodeRecord | None] = field(default_factory=lambda: _EMPTY)
    agents: Mapping[AgentId, AgentRecord | None] = field(default_factory=lambda: _EMPTY)
    pools: Mapping[str, PoolRecord | None] = field(default_factory=lambda: _EMPTY)
    specs: Mapping[str, AgentSpec | None] = field(default_factory=lambda: _EMPTY)
    epochs: Mapping[AgentId, int | None] = field(default_factory=lambda: _EMPTY)
    migrations: Mapping[AgentId, tuple[Migrated, ...] | None] = field(
        default_factory=lambda: _EMPTY
    )


NO_CHANGE: Final = Patch()


def patched(state: State, patch: Patch) -> State:
    """The record after a change; its serial stays."""
    return replace(
        state,
        nodes=_merged(state.nodes, patch.nodes),
        agents=_merged(state.agents, patch.agents),
        pools=_merged(state.pools, patch.pools),
        specs=_merged(state.specs, patch.specs),
        epochs=_merged(state.epochs, patch.epochs),
        migrations=_merged(state.migrations, patch.migrations),
    )


def combined(first: Patch, then: Patch) -> Patch:
    """Both changes as one."""
    if first is NO_CHANGE:
        return then
    return Patch(
        nodes={**first.nodes, **then.nodes},
        agents={**first.agents, **then.agents},
        pools={**first.pools, **then.pools},
        specs={**first.specs, **then.specs},
        epochs={**first.epochs, **then.epochs},
        migrations={**first.migrations, **then.migrations},
    )


def _merged(entries: Mapping[K, V], changes: Mapping[K, V | None]) -> Mapping[K, V]:
    if not changes:
        return entries
    # At every step of a change, of a fleet of any size: the view's own copy is 20 times as fast.
    kept = entries.copy() if isinstance(entries, MappingProxyType) else dict(entries)
    for key, value in changes.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value
    return MappingProxyType(kept)
