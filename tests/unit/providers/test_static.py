"""Hosts that exist: listed, never made, never removed."""

from __future__ import annotations

import pytest

from phoenixctl.model.errors import UsageError
from phoenixctl.model.fleet import Pool
from phoenixctl.providers.static import StaticProvider
from tests.builders import fleet, node
from tests.conformance.requests import create

F = fleet(node("b"), node("a"), node("c", pool="db"))
MAIN, DB = Pool("main"), Pool("db")


async def test_a_pools_hosts_are_those_of_the_configuration_by_name():
    provider = StaticProvider(F.nodes)
    assert [found.node.name for found in await provider.list(MAIN)] == ["a", "b"]
    assert [found.node for found in await provider.list(DB)] == [F.nodes["c"]]


async def test_creating_gives_the_host_to_who_asked():
    made = await create(StaticProvider(F.nodes), MAIN, "a", operation="7")
    assert (made.node, made.id, made.operation) == (F.nodes["a"], "a", "7")


@pytest.mark.parametrize("name", ["c", "z"])
async def test_a_host_that_the_pool_does_not_have_cannot_be_created(name: str):
    with pytest.raises(UsageError, match=f"no node {name} in pool main"):
        await create(StaticProvider(F.nodes), MAIN, name)


async def test_destroying_changes_nothing():
    provider = StaticProvider(F.nodes)
    [first, _] = await provider.list(MAIN)
    await provider.destroy(MAIN, first)
    await provider.protect(MAIN, first, on=True)
    assert [found.node.name for found in await provider.list(MAIN)] == ["a", "b"]
