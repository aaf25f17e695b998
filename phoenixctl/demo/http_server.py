"""HTTP/1.1 for the reference agent: h11 over asyncio streams, keep-alive, bounded bodies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import h11

BODY_LIMIT: Final = 1024**2
_READ_BYTES: Final = 64 * 1024
_IDLE_SECONDS: Final = 75.0


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """`close` ends the connection after it."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    close: bool = False


Handler = Callable[[Request], Awaitable[Response]]


class HttpServer:
    """Answers every request with `handler` until it is closed."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, addresses: str | Sequence[str], port: int) -> int:
        """Listen; returns the port (chosen when 0 was given)."""
        self._server = await asyncio.start_server(self._accept, addresses, port, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Accept no more, and end what is open."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._converse(_Wire(reader, writer))
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the client has gone or was too slow, or we are closing
        finally:
            writer.close()

    async def _converse(self, wire: _Wire) -> None:
        while True:
            try:
                request = await wire.receive()
            except h11.RemoteProtocolError as error:
                if wire.may_answer():
                    body = f"{error}\n".encode()
                    await wire.send(Response(error.error_status_hint, body, "text/plain", True))
                return
            if request is None:
                return
            await wire.send(await self._handler(request))
            if not wire.next_turn():
                return


class _Wire:
    """One connection: h11's idea of it, and the streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._http = h11.Connection(h11.SERVER)
        self._reader = reader
        self._writer = writer

    async def receive(self) -> Request | None:
        """The next request, whole; None when the client has ended."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(_IDLE_SECONDS):
                    self._http.receive_data(await self._reader.read(_READ_BYTES))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_LIMIT:
                    raise h11.RemoteProtocolError("body too large", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return Request(head.method.decode(), head.target.decode(), bytes(body))
            else:
                return None

    async def send(self, response: Response) -> None:
        headers = [
            ("content-type", response.content_type),
            ("content-length", str(len(response.body))),
            *([("connection", "close")] if response.close else []),
        ]
        reason = b""
        head = h11.Response(status_code=response.status, headers=headers, reason=reason)
        parts = [self._http.send(head)]
        if response.body:
            parts.append(self._http.send(h11.Data(data=response.body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        self._writer.write(b"".join(part for part in parts if part))
        await self._writer.drain()

    def may_answer(self) -> bool:
        return self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE)

    def next_turn(self) -> bool:
        """Ready for another request on this connection; False when it has to be closed."""
        with contextlib.suppress(h11.ProtocolError):
            self._http.start_next_cycle()
            return True
        return False
