"""Asking providers for nodes, as an operation does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phoenixctl.model.fleet import Node, Pool
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import NodeName
from phoenixctl.ports.provider import NodeRequest, Provider


async def no_note(facts: Mapping[str, str]) -> None:
    """A journal that nobody will read."""


def request(pool: Pool, name: str, **more: Any) -> NodeRequest:
    """What operation 1 of a record asks for, unless said otherwise."""
    return NodeRequest(pool, NodeName(name), **{"lineage": "line-1", "operation": "1", **more})


async def create(provider: Provider, pool: Pool, name: str, **more: Any) -> Instance:
    return await provider.create(request(pool, name, **more), note=no_note)


async def destroy(provider: Provider, pool: Pool, name: str) -> None:
    """The node of that name; also one that is not there, as a record may name it."""
    listed = {found.node.name: found for found in await provider.list(pool)}
    nobody = Instance(Node(NodeName(name), pool.name, "127.0.0.1"), name)
    await provider.destroy(pool, listed.get(NodeName(name), nobody))
