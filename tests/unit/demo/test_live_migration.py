"""The reference agent and the load generator through a live migration, step by step as the contract
says: nothing fails, and the copy counts what was acknowledged, to the message."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from phoenixctl.demo.load import run_load
from phoenixctl.demo.load_report import LoadReport
from phoenixctl.demo.load_targets import Endpoints
from phoenixctl.model.routing import Member, MemberState
from phoenixctl.remote.envoy import render_endpoints
from phoenixctl.ssh.embedded_address import own_address
from tests.unit.demo.running import Running, agent

SOURCE, TARGET = "source", "target"


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Where each copy of the agent listens, at one and the same port."""
    with own_address(tmp_path / "1", None) as one, own_address(tmp_path / "2", None) as two:
        if one is None or two is None:
            pytest.skip("this system has one loopback address")
        yield {SOURCE: one, TARGET: two}


async def test_a_live_migration_loses_no_message_and_counts_none_twice(tmp_path, addresses):
    file = tmp_path / "counter.json"
    source_place = {"ADDRESS": addresses[SOURCE], "EPOCH": "1"}
    with agent(tmp_path / SOURCE, **source_place) as source:
        target_place = {"ADDRESS": addresses[TARGET], "EPOCH": "2", "PORT": str(source.port)}
        with agent(tmp_path / TARGET, ROLE="standby", **target_place) as target:
            point(file, source)
            async with under_load(file) as reports:
                await counts(source, more_than=20)
                shutil.copytree(tmp_path / SOURCE, tmp_path / TARGET)  # a round while it counts on
                await migrate(file, source, target, tmp_path)
                await counts(target, more_than=await count(target) + 20)
            [report] = reports
            assert target.port == source.port
            assert (report.acknowledged, report.failed) == (report.sent, 0)
            assert await count(target) == report.acknowledged
            assert set(report.acknowledged_by) == {source.url, target.url}


async def test_a_migration_that_is_taken_back_loses_none_either(tmp_path, addresses):
    file = tmp_path / "counter.json"
    with agent(tmp_path / SOURCE, ADDRESS=addresses[SOURCE]) as source:
        point(file, source)
        async with under_load(file) as reports:
            await counts(source, more_than=20)
            point(file, source, MemberState.DRAIN)
            await drained(source)
            before = await count(source)
            assert (await ask(source, "POST", "/activate"))[0] == 200
            point(file, source)
            await counts(source, more_than=before + 20)
        [report] = reports
        assert (report.acknowledged, report.failed) == (report.sent, 0)
        assert await count(source) == report.acknowledged


@asynccontextmanager
async def under_load(file: Path) -> AsyncIterator[list[LoadReport]]:
    """Messages to whom the file names; their report is there behind the block."""
    stop, reports = asyncio.Event(), list[LoadReport]()
    load = asyncio.create_task(run_load(Endpoints(file), 200, patience_seconds=60, stop=stop))
    try:
        yield reports
    finally:
        stop.set()
        reports.append(await load)


async def migrate(file: Path, source: Running, target: Running, root: Path) -> None:
    point(file, source, MemberState.DRAIN)
    await drained(source)
    shutil.copytree(root / SOURCE, root / TARGET, dirs_exist_ok=True)
    assert (await ask(target, "GET", "/prepared"))[0] == 200
    assert (await ask(target, "POST", "/activate"))[0] == 200
    assert (await ask(target, "GET", "/ready"))[0] == 200
    point(file, target)
    assert await asyncio.to_thread(source.end) == 0


async def drained(running: Running) -> None:
    await ask(running, "POST", "/drain")
    async with asyncio.timeout(20):
        while (await ask(running, "GET", "/drained"))[0] != 200:
            await asyncio.sleep(0.01)


async def counts(running: Running, *, more_than: int) -> None:
    async with asyncio.timeout(20):
        while await count(running) <= more_than:
            await asyncio.sleep(0.01)


async def count(running: Running) -> int:
    return int((await ask(running, "GET", "/count"))[1]["count"])


async def ask(running: Running, method: str, path: str) -> tuple[int, dict[str, Any]]:
    return await asyncio.to_thread(running.ask, method, path)


def point(file: Path, running: Running, state: MemberState = MemberState.READY) -> None:
    """Let the load's only target be this copy."""
    new = file.with_suffix(".new")
    member = Member("counter-0", running.address, running.port, state=state)
    new.write_bytes(render_endpoints(file.stem, [member]))
    new.replace(file)
