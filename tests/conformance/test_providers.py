"""What every provider promises, on all of them: embedded nodes, hosts that exist, EC2."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from phoenixctl.model.instance import Phase
from phoenixctl.providers.aws.client import Regions
from tests.cloud.conftest import SOON
from tests.cloud.server import CREDENTIALS, Cloud
from tests.cloud.ticking import RealClock
from tests.conformance.provider_kinds import NAMES, Aws, Kind, Local, Static
from tests.conformance.requests import create, destroy

A, B, C = NAMES


@pytest.fixture(scope="module")
def regions() -> Iterator[Regions]:
    shared = Regions(RealClock(), SOON)
    yield shared
    shared.close()


@pytest.fixture(params=["local", "static", "aws"])
async def kind(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Kind]:
    """A provider of each kind without a node of its own making; none is left at the end."""
    made: Kind
    if request.param == "local":
        made = Local(tmp_path.resolve() / "fleet")
    elif request.param == "static":
        made = Static()
    else:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        cloud: Cloud = request.getfixturevalue("running_cloud")
        cloud.reset()
        made = Aws(cloud, request.getfixturevalue("regions"))
    before = made.there()
    yield made
    provider = made.provider()
    for instance in await provider.list(made.pool):
        await provider.destroy(made.pool, instance)
    assert made.there() == before


def expected(kind: Kind, *names: str) -> dict[str, int]:
    """What is there when these nodes were created and not destroyed."""
    return dict.fromkeys(names if kind.makes else NAMES, 1)


async def test_what_was_created_is_there_and_listed_by_name(kind: Kind) -> None:
    provider = kind.provider()
    made = {name: await create(provider, kind.pool, name) for name in (C, A, B)}
    listed = await provider.list(kind.pool)
    assert [found.node.name for found in listed] == [A, B, C]
    assert kind.there() == expected(kind, A, B, C)
    for found in listed:
        mine = made[found.node.name]
        assert (found.id, found.node.address) == (mine.id, mine.node.address)
        assert (found.node.pool, found.phase) == (kind.pool.name, Phase.RUNNING)
        assert (mine.lineage, mine.operation) == ("line-1", "1")


async def test_creating_twice_is_creating_once_also_in_another_run(kind: Kind) -> None:
    first = await create(kind.provider(), kind.pool, A)
    assert await create(kind.provider(), kind.pool, A) == first
    assert kind.there() == expected(kind, A)


async def test_two_at_a_time_are_one(kind: Kind) -> None:
    made = await asyncio.gather(*(create(kind.provider(), kind.pool, A) for _ in range(4)))
    assert all((instance.id, instance.node) == (made[0].id, made[0].node) for instance in made)
    assert kind.there() == expected(kind, A)


async def test_several_nodes_are_created_at_once(kind: Kind) -> None:
    provider = kind.provider()
    made = await asyncio.gather(*(create(provider, kind.pool, name) for name in NAMES))
    assert [instance.node.name for instance in made] == list(NAMES)
    assert kind.there() == expected(kind, A, B, C)


@pytest.mark.parametrize("moment", ["note", "made"])
async def test_after_a_run_that_was_killed_the_next_one_ends_with_one_node(
    kind: Kind, moment: str, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    assert await kind.killed(A, moment, journal) == -signal.SIGKILL
    notes = tuple(json.loads(journal.read_text())) if journal.exists() else ()
    assert bool(notes) is kind.makes
    made = await create(kind.provider(), kind.pool, A, notes=notes)
    assert made.node.name == A
    assert kind.there() == expected(kind, A)


async def test_destroying_twice_is_destroying_once_and_the_others_are_spared(kind: Kind) -> None:
    provider = kind.provider()
    gone, kept = [await create(provider, kind.pool, name) for name in (A, B)]
    for _ in range(2):
        await kind.provider().destroy(kind.pool, gone)
    assert kind.there() == expected(kind, B)
    found = {instance.node.name: instance for instance in await provider.list(kind.pool)}
    assert found[kept.node.name].id == kept.id


async def test_two_that_destroy_one_node_at_the_same_time_both_succeed(kind: Kind) -> None:
    made = await create(kind.provider(), kind.pool, A)
    await asyncio.gather(*(kind.provider().destroy(kind.pool, made) for _ in range(3)))
    assert kind.there() == expected(kind)


async def test_one_that_was_never_there_is_destroyed_already(kind: Kind) -> None:
    await destroy(kind.provider(), kind.pool, C)
    assert kind.there() == expected(kind)


async def test_a_name_is_free_again_when_its_node_is_gone(kind: Kind) -> None:
    provider = kind.provider()
    first = await create(provider, kind.pool, A, operation="1")
    await provider.destroy(kind.pool, first)
    second = await create(provider, kind.pool, A, operation="2")
    assert second.operation == "2"
    assert kind.there() == expected(kind, A)


async def test_a_node_can_be_protected_and_unprotected_again_and_again(kind: Kind) -> None:
    provider = kind.provider()
    made = await create(provider, kind.pool, A)
    for on in (True, True, False, False):
        await provider.protect(kind.pool, made, on=on)
    await provider.destroy(kind.pool, made)
    assert kind.there() == expected(kind)
