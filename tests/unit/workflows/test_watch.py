"""Streams of nodes become a batch for each tick."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from phoenixctl.model.errors import AuthenticationFailed, PhoenixError, Unreachable
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Failed, Outcome, Succeeded
from phoenixctl.ports.reach import Chunk
from phoenixctl.store.metrics import SqliteMetrics
from phoenixctl.workflows.watch import Tick, Watch

A, B = NodeName("a"), NodeName("b")


def line(uptime: float, idle: float) -> bytes:
    times = f"cpu  {uptime * 100 - idle} 0 0 {idle} 0 0 0 0 0 0"
    return f"pulse|{uptime}|{times}|1000 400|1 2 3 2/9 1|0 0| 0.00 0.00 0.00\n".encode()


class Clock:
    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> str:
        return ""

    def epoch(self) -> float:
        return time.time()


class Streaming:
    """A reach whose nodes give what `chunks` gives, or fail with what it raises."""

    def __init__(self, chunks: Callable[[NodeName, int], AsyncIterator[bytes]]) -> None:
        self.chunks = chunks
        self.opened: list[NodeName] = []

    async def each(
        self, nodes: Iterable[NodeName], job: Callable[[Any], Awaitable[Any]], **_: Any
    ) -> dict[NodeName, Outcome[Any]]:
        (node,) = nodes
        self.opened.append(node)
        try:
            return {node: Succeeded(await job(_Session(self, node)), 0.0)}
        except PhoenixError as error:
            return {node: Failed(error, 0.0)}


class _Session:
    def __init__(self, reach: Streaming, node: NodeName) -> None:
        self._reach, self._node = reach, node

    @asynccontextmanager
    async def stream(self, _command: object, *, sudo: bool | None = None) -> AsyncIterator[Any]:
        async def chunks() -> AsyncIterator[Chunk]:
            count = self._reach.opened.count(self._node)
            async for data in self._reach.chunks(self._node, count):
                yield Chunk("stdout", data)

        yield chunks()


async def watch(
    reach: Streaming, folder: Path, until: Callable[[list[Tick]], bool]
) -> tuple[list[Tick], list[tuple[NodeName, PhoenixError | None]], SqliteMetrics]:
    """Watch a and b every 20 ms until the ticks are as wanted."""
    ticks: list[Tick] = []
    changes: list[tuple[NodeName, PhoenixError | None]] = []
    done = asyncio.Event()

    def ticked(tick: Tick) -> None:
        ticks.append(tick)
        if until(ticks):
            done.set()

    store = SqliteMetrics(folder)
    watching = Watch(
        reach,  # type: ignore[arg-type]
        Clock(),
        [A, B],
        interval_seconds=0.02,
        on_change=lambda name, error: changes.append((name, error)),
    )
    running = asyncio.ensure_future(watching.run(store, ticked))
    await asyncio.wait_for(done.wait(), 20)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return ticks, changes, store


async def test_values_are_kept_at_each_tick_whatever_the_pieces_they_come_in(
    tmp_path: Path,
) -> None:
    async def chunks(node: NodeName, _opened: int) -> AsyncIterator[bytes]:
        whole = line(10.0, 500) + line(11.0, 575)
        for at in range(0, len(whole), 7):
            yield whole[at : at + 7]
        await asyncio.Event().wait()

    ticks, changes, store = await watch(
        Streaming(chunks), tmp_path, lambda ticks: any(tick.fresh == 2 for tick in ticks)
    )
    with store:
        found = store.read("cpu_utilization", start=0, until=time.time() + 1)
        up = store.read("up", start=0, until=time.time() + 1)
    assert found.subjects == ("a", "b")
    known = found.values[~np.isnan(found.values).any(axis=1)]
    assert known.tolist() == [[0.25, 0.25]]  # once: what was kept is not kept again
    assert np.nanmax(up.values) == 1
    assert changes == []
    assert all(tick.nodes == 2 and tick.missing == () for tick in ticks)


async def test_a_node_that_is_lost_is_down_and_comes_back(tmp_path: Path) -> None:
    async def chunks(node: NodeName, opened: int) -> AsyncIterator[bytes]:
        if node == B and opened == 1:
            raise Unreachable("gone")
        yield line(10.0, 500)
        yield line(11.0, 500)
        await asyncio.Event().wait()

    reach = Streaming(chunks)
    _, changes, store = await watch(
        reach,
        tmp_path,
        lambda ticks: any(tick.missing for tick in ticks) and not ticks[-1].missing,
    )
    with store:
        up = store.read("up", start=0, until=time.time() + 1)
    assert [(name, error and str(error)) for name, error in changes] == [(B, "gone"), (B, None)]
    assert reach.opened == [A, B, B]
    down = up.values[:, 1]
    assert down[~np.isnan(down)][0] == 0
    assert down[-1] == 1
    assert all(value == 1 or math.isnan(value) for value in up.values[:, 0])


async def test_a_login_that_was_refused_is_not_tried_again(tmp_path: Path) -> None:
    async def chunks(node: NodeName, _opened: int) -> AsyncIterator[bytes]:
        raise AuthenticationFailed("no")
        yield b""

    reach = Streaming(chunks)
    ticks, _, store = await watch(reach, tmp_path, lambda ticks: len(ticks) > 3)
    store.close()
    assert sorted(reach.opened) == [A, B]
    assert ticks[-1].missing == (A, B)
