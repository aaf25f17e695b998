"""A slow road to a server: a TCP proxy on loopback that delivers every byte later.

The kernel of a test machine may have no netem; this needs none. It delays, it does not throttle:
what was sent together arrives together.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from types import TracebackType


class SlowRoad:
    """`with SlowRoad(address, 22, round_trip_seconds=0.2) as road:` then connect to `road.port`."""

    host = "127.0.0.1"

    def __init__(self, address: str, port: int, *, round_trip_seconds: float) -> None:
        self._target = (address, port)
        self._one_way = round_trip_seconds / 2
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._roads: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.port = 0

    def __enter__(self) -> SlowRoad:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for road in self._roads:
            road.cancel()
        await asyncio.gather(*self._roads, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        road = self._loop.create_task(self._carry(reader, writer))
        self._roads.add(road)
        road.add_done_callback(self._roads.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        try:
            await asyncio.gather(self._lane(reader, far_writer), self._lane(far_reader, writer))
        finally:
            far_writer.transport.abort()
            writer.transport.abort()

    async def _lane(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        belt: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)
        delivery = self._loop.create_task(self._deliver(belt, sink))
        try:
            # A reset ends this direction like an end of file.
            with suppress(OSError):
                while data := await source.read(65536):
                    await belt.put((self._loop.time() + self._one_way, data))
            await belt.put((self._loop.time() + self._one_way, b""))
            await delivery
        finally:
            delivery.cancel()
            await asyncio.gather(delivery, return_exceptions=True)

    async def _deliver(
        self, belt: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await belt.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            with suppress(OSError):
                if data:
                    sink.write(data)
                    await sink.drain()
                elif sink.can_write_eof():
                    sink.write_eof()
            if not data:
                return
