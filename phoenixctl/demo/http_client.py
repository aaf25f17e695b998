"""HTTP/1.1 for the load generator: keep-alive connections, one message at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import h11

CONNECT_SECONDS: Final = 2.0
_READ_BYTES: Final = 64 * 1024


class NotSent(Exception):
    """No connection could be opened: the server has seen nothing."""


@dataclass
class Target:
    """One server by its URL, with the connections to it that are free."""

    url: str
    _free: list[_Connection] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url if "//" in self.url else f"http://{self.url}")
        if parts.scheme != "http" or parts.hostname is None or parts.port is None:
            raise ValueError(f"{self.url!r} is not a target; write it like http://127.0.0.1:8080")
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path or "/messages"

    async def post(self, body: bytes) -> int:
        """The status of a POST. NotSent, or OSError when the connection broke after it was sent."""
        connection = await self._take()
        keep = False
        try:
            status, keep = await connection.post(self._path, body)
            return status
        finally:
            if keep:
                self._free.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        while self._free:
            self._free.pop().close()

    async def _take(self) -> _Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.is_over():
                return connection
            connection.close()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(self._host, self._port)
        except OSError as error:  # also a TimeoutError
            raise NotSent(str(error)) from error
        return _Connection(f"{self._host}:{self._port}", reader, writer)


class _Connection:
    def __init__(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    async def post(self, path: str, body: bytes) -> tuple[int, bool]:
        """The response's status, and whether the connection can be used again."""
        headers = [("host", self._host), ("content-length", str(len(body)))]
        request = h11.Request(method="POST", target=path, headers=headers)
        parts = [self._http.send(request), self._http.send(h11.Data(data=body))]
        parts.append(self._http.send(h11.EndOfMessage()))
        self._writer.write(b"".join(part for part in parts if part))
        try:
            status = await self._status()
        except h11.RemoteProtocolError as error:
            raise ConnectionError(str(error)) from error
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return status, False
        self._http.start_next_cycle()
        return status, True

    async def _status(self) -> int:
        status = 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_READ_BYTES))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.EndOfMessage):
                return status
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionError("closed before the response")

    def is_over(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()
