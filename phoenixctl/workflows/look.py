"""All that a plan is computed from, read at once: the record, the providers' lists, the nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import Fleet, Pool
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import NodeName
from phoenixctl.model.snapshot import Snapshot
from phoenixctl.model.state import State
from phoenixctl.planning.known import Inventory, known_nodes
from phoenixctl.ports.provider import Provider
from phoenixctl.ports.reach import Reach

Observe = Callable[[Fleet, Iterable[NodeName]], Awaitable[Snapshot]]
"""Takes the snapshot of these nodes of a fleet; the shell adds progress."""


@dataclass(frozen=True, slots=True)
class Look:
    """`fleet` has every node that is known from anywhere, also those that left the configuration;
    `snapshot` covers them."""

    fleet: Fleet
    state: State
    inventory: Inventory
    snapshot: Snapshot


async def look(
    configured: Fleet,
    reach: Reach,
    providers: Mapping[str, Provider],
    state: State,
    observe: Observe,
) -> Look:
    """The fleet of this record as it is; a provider or node that does not answer is in it as
    such."""
    inventory = await take_inventory(configured, providers)
    nodes = known_nodes(configured, state, inventory)
    fleet = replace(configured, nodes=nodes)
    for node in nodes.values():
        reach.add(node)
    return Look(fleet, state, inventory, await observe(fleet, nodes))


async def take_inventory(fleet: Fleet, providers: Mapping[str, Provider]) -> Inventory:
    """What each creating pool has, as its provider says; asked all at once."""
    pools = [pool for pool in fleet.pools.values() if pool.provider != "static"]
    found = await asyncio.gather(*(_listed(pool, providers[pool.name]) for pool in pools))
    return {pool.name: listed for pool, listed in zip(pools, found, strict=True)}


async def _listed(pool: Pool, provider: Provider) -> tuple[Instance, ...] | PhoenixError:
    try:
        return tuple(await provider.list(pool))
    except PhoenixError as error:
        return error
