"""Every node that is known: from the configuration, from the record, from a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from phoenixctl.model.errors import PhoenixError
from phoenixctl.model.fleet import Fleet, Node
from phoenixctl.model.instance import Instance, Phase
from phoenixctl.model.names import NodeName
from phoenixctl.model.state import NodeRecord, State
from phoenixctl.planning.order import Rank, by_name, in_order

Inventory: TypeAlias = Mapping[str, tuple[Instance, ...] | PhoenixError]
"""What the provider of each pool lists, or why it could not be asked; static pools are left out."""

STATIC: Final = "static"


def known_nodes(fleet: Fleet, state: State, inventory: Inventory) -> Mapping[NodeName, Node]:
    """Each node with the best that is known of how to reach it, by name.

    The configuration knows its own nodes best. A provider knows a node's address better than the
    record; host keys that were seen when the node was joined stand only there. Of several
    instances with one name it is the one that has the best claim to it.
    """
    nodes = {name: record.node for name, record in state.nodes.items()}
    asked = [listed for listed in inventory.values() if not isinstance(listed, PhoenixError)]
    there = [i for listed in asked for i in listed if i.phase is not Phase.GONE]
    for instance in sorted(there, key=lambda i: claim(i, state), reverse=True):
        name = instance.node.name
        nodes[name] = reached(instance, state.nodes.get(name))
    nodes.update(configured_nodes(fleet))
    return in_order(nodes)


def claim(instance: Instance, state: State) -> Rank:
    """A key to sort by: the recorded one first, then those of this record that run."""
    record = state.nodes.get(instance.node.name)
    return (
        record is None or record.id != instance.id,
        not state.lineage or instance.lineage != state.lineage,
        instance.phase is not Phase.RUNNING,
        by_name(instance.id),
    )


def configured_nodes(fleet: Fleet) -> Mapping[NodeName, Node]:
    """The nodes that the configuration itself names, in its order."""
    return {name: node for name, node in fleet.nodes.items() if is_configured(node, fleet)}


def is_configured(node: Node, fleet: Fleet) -> bool:
    pool = fleet.pools.get(node.pool)
    return pool is not None and pool.provider == STATIC


def reached(instance: Instance, record: NodeRecord | None) -> Node:
    """How a listed node is reached, with the host keys that the record has of the same one."""
    if record is None or record.id != instance.id or not record.node.host_keys:
        return instance.node
    return replace(instance.node, host_keys=record.node.host_keys)
