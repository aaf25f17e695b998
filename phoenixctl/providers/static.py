"""Provider `static`: hosts that exist. Nothing is made and nothing is removed.

A host becomes a node by being joined and stops being one by being drained and forgotten; these
are steps of a plan, done over SSH.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Node, Pool
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import NodeName
from phoenixctl.ports.provider import NodeRequest, Note, Provider


class StaticProvider(Provider):
    """The configured nodes of a fleet, by name."""

    def __init__(self, nodes: Mapping[NodeName, Node]) -> None:
        self._nodes = nodes

    async def list(self, pool: Pool) -> Sequence[Instance]:
        """The nodes that the configuration names for this pool."""
        mine = (node for node in self._nodes.values() if node.pool == pool.name)
        return [Instance(node, node.name) for node in sorted(mine, key=lambda node: node.name)]

    async def create(self, request: NodeRequest, *, note: Note) -> Instance:
        """The configured node; UsageError when the configuration has none with that name."""
        del note  # nothing is made
        node = self._nodes.get(request.name)
        if node is None or node.pool != request.pool.name:
            raise UsageError(
                f"the configuration has no node {request.name} in pool {request.pool.name}",
                hint="put its address under `nodes`, then: phoenixctl plan",
            )
        return Instance(node, node.name, lineage=request.lineage, operation=request.operation)

    async def destroy(self, pool: Pool, instance: Instance) -> None:
        """The host stays as it is."""

    async def protect(self, pool: Pool, instance: Instance, *, on: bool) -> None:
        """Nothing but the record protects a host."""
