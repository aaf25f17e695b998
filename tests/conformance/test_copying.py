"""An agent's state goes from one node to another: through us between embedded nodes, straight
between hosts that trust each other."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from phoenixctl.cli.compose import SystemClock
from phoenixctl.model.errors import CommandFailed, UsageError
from phoenixctl.model.fleet import Fleet, Node, Pool, SshSettings
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.providers.local import LocalProvider
from phoenixctl.remote.state_listing import BLOCK
from phoenixctl.ssh.reach import SshReach
from phoenixctl.workflows.copying import THROUGH_US, StateCopy, copy_file
from tests.conformance.requests import create

POOL = Pool("local", provider="local", size=2)
ID = AgentId("worker-0")


@dataclass(frozen=True)
class Pair:
    """Two embedded nodes within reach, and the state folders of an agent on them."""

    fleet: Fleet
    reach: SshReach
    here: Path
    there: Path

    def copy(self) -> StateCopy:
        a, b = self.fleet.nodes
        return StateCopy(self.fleet, self.reach, SystemClock(), ID, a, b)

    def same(self) -> bool:
        return contents(self.here) == contents(self.there)


def contents(folder: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else ""
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    provider = LocalProvider(tmp_path_factory.mktemp("embedded"), "copying")

    async def make() -> list[Node]:
        return [(await create(provider, POOL, name)).node for name in ("one", "two")]

    one, two = asyncio.run(make())
    yield one, two
    for instance in asyncio.run(provider.list(POOL)):
        asyncio.run(provider.destroy(POOL, instance))


@pytest.fixture
async def pair(two_nodes: tuple[Node, Node], tmp_path: Path) -> AsyncIterator[Pair]:
    bases = [tmp_path / node.name for node in two_nodes]
    nodes = {
        node.name: replace(node, base_dir=str(base))
        for node, base in zip(two_nodes, bases, strict=True)
    }
    settings = SshSettings(config_file=None, use_agent=False)
    fleet = Fleet("copying", {"local": POOL}, nodes, {}, settings)
    reach = SshReach(nodes, settings, home=tmp_path, environ={})
    here, there = (base / "agents" / ID / "state" for base in bases)
    here.mkdir(parents=True)
    yield Pair(fleet, reach, here, there)
    await reach.aclose()


async def test_a_second_round_sends_only_what_has_changed(pair: Pair) -> None:
    (pair.here / "folder").mkdir()
    (pair.here / "folder" / "small").write_bytes(b"s" * 1000)
    (pair.here / "large").write_bytes(os.urandom(3 * BLOCK + 5))
    (pair.here / "link").symlink_to("folder/small")
    copy = pair.copy()
    await copy.check_room()
    assert not pair.there.exists()
    first = await copy.round()
    assert (first.bytes, first.files, first.way) == (3 * BLOCK + 1005, 2, THROUGH_US)
    assert pair.same()
    assert (await copy.round()).bytes == 0
    with (pair.here / "large").open("r+b") as file:
        file.seek(2 * BLOCK)
        file.write(b"changed")
    (pair.here / "link").unlink()
    assert (await copy.round()).bytes == BLOCK
    await copy.verify()
    assert pair.same()


async def test_rounds_while_a_writer_appends_end_in_the_same(pair: Pair) -> None:
    writing = True

    async def append() -> int:
        count = 0
        with (pair.here / "counts").open("ab", buffering=0) as file:
            while writing:
                file.write(b"%d\n" % count)
                count += 1
                (pair.here / f"temporary-{count % 7}").write_bytes(b"t" * count)
                (pair.here / f"temporary-{count % 5}").unlink(missing_ok=True)
                await asyncio.sleep(0)
        return count

    writer = asyncio.create_task(append())
    copy = pair.copy()
    for _ in range(3):
        await copy.round()
    writing = False
    assert await writer > 0
    await copy.round()
    await copy.verify()
    assert pair.same()


async def test_a_flipped_byte_does_not_pass_for_the_same(pair: Pair) -> None:
    (pair.here / "file").write_bytes(b"content")
    copy = pair.copy()
    await copy.round()
    (pair.there / "file").write_bytes(b"c0ntent")
    with pytest.raises(CommandFailed, match="state of worker-0 on two is not the one on one: file"):
        await copy.verify()
    await copy.round()
    await copy.verify()


async def test_what_an_earlier_life_has_left_is_replaced_and_spares_what_is_the_same(
    pair: Pair,
) -> None:
    content = os.urandom(BLOCK + 100)
    pair.there.mkdir(parents=True)
    (pair.there / "large").write_bytes(content)
    (pair.there / "old").write_bytes(b"old")
    (pair.here / "large").write_bytes(content)
    (pair.here / "new").write_bytes(b"new")
    assert (await pair.copy().round()).bytes == 3
    assert pair.same()


async def test_one_that_is_cut_off_is_repeated_and_leaves_no_process(pair: Pair) -> None:
    for number in range(30):
        (pair.here / f"file-{number}").write_bytes(os.urandom(3 * 1024**2))
    running = asyncio.create_task(pair.copy().round())
    end = time.monotonic() + 30
    while not (pair.there / "file-0").exists() and time.monotonic() < end:
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    marks = (str(pair.here.parents[2]), str(pair.there.parents[2]))
    while (left := processes_with(*marks)) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    assert left == []
    for path in pair.there.glob("file-*"):
        assert path.read_bytes() == (pair.here / path.name).read_bytes()
    assert (await pair.copy().round()).bytes < 90 * 1024**2
    await pair.copy().verify()
    assert pair.same()


def processes_with(*marks: str) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "phoenixctl" in line and any(mark in line for mark in marks):
            found.append(line)
    return found


async def test_a_state_goes_through_in_little_memory(pair: Pair) -> None:
    with (pair.here / "large").open("wb") as file:
        file.truncate(126 * 1024**2)
    (pair.here / "more").write_bytes(os.urandom(2 * 1024**2))
    process = psutil.Process()
    before, most = process.memory_info().rss, 0
    running = asyncio.create_task(pair.copy().round())
    while not running.done():
        most = max(most, process.memory_info().rss)
        await asyncio.sleep(0.02)
    assert (await running).bytes == 128 * 1024**2
    assert most - before < 60 * 1024**2


async def test_an_agent_without_state_is_named(pair: Pair) -> None:
    pair.here.rmdir()
    with pytest.raises(CommandFailed, match="worker-0 has no state on one"):
        await pair.copy().round()
    with pytest.raises(UsageError):
        StateCopy(pair.fleet, pair.reach, SystemClock(), ID, NodeName("one"), NodeName("one"))


async def test_a_file_arrives_whole_or_not_at_all(pair: Pair, tmp_path: Path) -> None:
    a, b = pair.fleet.nodes
    source, to = tmp_path / "a file", tmp_path / "deep" / "its 'copy'"
    source.write_bytes(os.urandom(5_000_001))
    assert await copy_file(pair.fleet, pair.reach, (a, str(source)), (b, str(to))) == 5_000_001
    assert to.read_bytes() == source.read_bytes()
    assert to.stat().st_mode & 0o777 == 0o600
    assert list(to.parent.iterdir()) == [to]
    with pytest.raises(CommandFailed, match="no-such cannot be read"):
        await copy_file(pair.fleet, pair.reach, (a, f"{tmp_path}/no-such"), (b, str(to)))
    with pytest.raises(CommandFailed, match="is a folder"):
        await copy_file(pair.fleet, pair.reach, (a, str(source)), (b, str(to.parent)))
    assert to.read_bytes() == source.read_bytes()
