"""A command on a channel: what it prints, its end, and the process group to end it with."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final, cast

from asyncssh import ChannelOpenError, SSHClientChannel, SSHClientSession

from phoenixctl.ports.reach import Chunk
from phoenixctl.ssh.envelope import told, told_until
from phoenixctl.ssh.wire import Connection

# Output that nobody will read is thrown away up to here; then the command is ended.
DISCARD_LIMIT: Final = 32 * 1024**2
_QUEUE_LIMIT: Final = 1024**2
_STARTUP_NOISE_LIMIT: Final = 64 * 1024
_POLL_SECONDS: Final = 0.02
# sshd counts a session until it has swept it up, a little after we saw its end: a place that is
# free here may not be free there yet. Nothing was sent, so asking again is safe.
_OPENING_WAITS_SECONDS: Final = (0.01, 0.03, 0.1, 0.3, 1.0)


class Execution(SSHClientSession[bytes]):
    """Collects what one command prints, at most `limit` bytes of each stream.

    `settled` is done when the command has ended or floods us, `ended` when its channel is closed.
    """

    def __init__(self, *, limit: int) -> None:
        loop = asyncio.get_running_loop()
        self.channel: SSHClientChannel[bytes] | None = None
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.stdout_truncated = False
        self.stderr_truncated = False
        self.exit_status: int | None = None
        self.signal: str | None = None
        self.lost: Exception | None = None
        self.started = time.monotonic()
        self.settled: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.noise = bytearray()  # of the login shell's start-up file, on stdout
        self._taking = asyncio.Event()  # the other end takes what is written
        self._taking.set()
        self._own = False
        self._limit = limit
        self._discarded = 0

    def connection_made(self, chan: SSHClientChannel[bytes]) -> None:
        self.channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self.take(data if datatype is not None else self._without_noise(data), datatype)

    def take(self, data: bytes, datatype: int | None) -> None:
        """Take in what the command itself printed; stderr also from before it started."""
        buffer = self.stdout if datatype is None else self.stderr
        room = self._limit - len(buffer)
        if len(data) <= room:
            buffer += data
            return
        buffer += data[:room]
        if datatype is None:
            self.stdout_truncated = True
        else:
            self.stderr_truncated = True
        self._discard(len(data) - room)

    def _without_noise(self, data: bytes) -> bytes:
        if self._own:
            return data
        self.noise += data
        begin = told_until(self.noise)
        if begin is not None:
            self._own = True
            return bytes(self.noise[begin:])
        excess = max(0, len(self.noise) - _STARTUP_NOISE_LIMIT)
        del self.noise[:excess]
        self._discard(excess)
        return b""

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > DISCARD_LIMIT and not self.settled.done():
            self.settled.set_result(None)

    def pause_writing(self) -> None:
        self._taking.clear()

    def resume_writing(self) -> None:
        self._taking.set()

    async def write(self, chunks: AsyncIterator[bytes]) -> None:
        """Write the standard input, no faster than it is taken, and its end."""
        with suppress(BrokenPipeError):  # it has ended without reading all of it
            async for chunk in chunks:
                await self._taking.wait()
                if self.channel is not None:
                    self.channel.write(chunk)
            if self.channel is not None:
                self.channel.write_eof()

    def exit_status_received(self, status: int) -> None:
        self.exit_status = status

    def exit_signal_received(self, signal: str, _core: bool, _msg: str, _lang: str) -> None:
        self.signal = signal

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        for future in (self.ended, self.settled):
            if not future.done():
                future.set_result(None)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def pid(self) -> int | None:
        """The command's process group on the node; None while it has not started."""
        found = told(self.stderr)
        return found.pid if found else None

    async def pid_within(self, seconds: float) -> int | None:
        """The process group, waiting for it a little."""
        if self.channel is not None:
            self.channel.resume_reading()
        for _ in range(math.ceil(seconds / _POLL_SECONDS)):
            if self.pid is not None or self.ended.done():
                break
            await asyncio.sleep(_POLL_SECONDS)
        return self.pid


class Feed(Execution):
    """Hands on what a command prints as it comes, reading no faster than it is taken."""

    def __init__(self) -> None:
        super().__init__(limit=_STARTUP_NOISE_LIMIT)
        self._pid: int | None = None
        self._chunks: deque[Chunk] = deque()
        self._waiting = 0
        self._news = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._pid

    def take(self, data: bytes, datatype: int | None) -> None:
        if datatype is None:
            if data:
                self._add(Chunk("stdout", data))
        elif self._pid is not None:
            self._add(Chunk("stderr", data))
        else:
            super().take(data, datatype)
            if found := told(self.stderr):
                self._pid = found.pid
                if found.stderr:
                    self._add(Chunk("stderr", found.stderr))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._news.set()

    async def chunks(self) -> AsyncIterator[Chunk]:
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._waiting -= len(chunk.data)
                if self.channel is not None and self._waiting < _QUEUE_LIMIT // 2:
                    self.channel.resume_reading()
                yield chunk
            if self.ended.done():
                return
            self._news.clear()
            await self._news.wait()

    def _add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._waiting += len(chunk.data)
        if self.channel is not None and self._waiting > _QUEUE_LIMIT:
            self.channel.pause_reading()
        self._news.set()


async def start(
    connection: Connection, execution: Execution, line: str, *, stdin: bytes | None = b""
) -> None:
    """Send a line to the login shell, with its whole standard input; None leaves that open.

    ChannelOpenError or DisconnectError when the line was not taken.
    """
    for wait in (*_OPENING_WAITS_SECONDS, None):
        try:
            channel = await _open(connection, execution, line)
            break
        except ChannelOpenError:
            if wait is None or execution.channel is not None:
                raise
        await asyncio.sleep(wait)
    if stdin is not None:
        if stdin:
            channel.write(stdin)
        channel.write_eof()


async def _open(connection: Connection, execution: Execution, line: str) -> SSHClientChannel[bytes]:
    # asyncssh types the line as text and would refuse bytes that are not UTF-8; it sends bytes.
    wire_line = cast(str, line.encode("utf-8", "surrogateescape"))
    channel, _ = await connection.create_session(
        lambda: execution, wire_line, encoding=None, env=None, send_env=None, request_pty=False
    )
    return channel
