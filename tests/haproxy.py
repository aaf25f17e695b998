"""A real HAProxy on loopback with its own configuration, HTTP servers behind it, and load.

Skipped with the reason where haproxy is missing, except under CI.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from phoenixctl.model.routing import Member, RouterKind, RouterSettings
from phoenixctl.routers.doors import Door, LocalDoor
from phoenixctl.routers.haproxy import HAProxy
from tests.needs import program
from tests.sshd import free_port

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BACKEND = "work"
_CONFIG = """
global
  stats socket {socket} mode 600 level {level}
  stats timeout 30s
defaults
  mode http
  timeout connect {connect}
  timeout client 10s
  timeout server 10s
  timeout queue 5s
  retries {retries}
  option redispatch {redispatch}
frontend front
  bind 127.0.0.1:{port}
  default_backend {backend}
backend {backend}
  balance {balance}
{servers}
"""


class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> str:
        return "2026-01-01T00:00:00.000Z"

    def epoch(self) -> float:
        return time.time()


@dataclass
class RunningHAProxy:
    """A process of HAProxy; `servers` are the lines of its configuration."""

    folder: Path
    servers: tuple[str, ...] = ()
    balance: str = "roundrobin"
    level: str = "admin"
    retries: int = 3
    redispatch: int = -1  # by default, at the last retry
    connect: str = "1s"  # HAProxy waits as long between two retries, a second at most
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "h.sock"

    def start(self) -> None:
        config = self.folder / "haproxy.cfg"
        config.write_text(
            _CONFIG.format(
                socket=self.socket,
                level=self.level,
                port=self.port,
                balance=self.balance,
                backend=BACKEND,
                retries=self.retries,
                redispatch=self.redispatch,
                connect=self.connect,
                servers="\n".join(f"  server {line}" for line in self.servers),
            )
        )
        self.socket.unlink(missing_ok=True)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [program("haproxy"), "-db", "-f", config], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 10
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"haproxy: {(self.folder / 'log').read_text()}")
            time.sleep(0.01)

    def _listens(self) -> bool:
        """The socket's file is there a moment before it takes connections."""
        with socket.socket(socket.AF_UNIX) as door:
            return door.connect_ex(str(self.socket)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def router(
        self, door: Door | None = None, *, spec: str = "agent", **settings: float | None
    ) -> HAProxy:
        """What speaks to it; its one backend is that of the spec."""
        own = RouterSettings(
            "lb",
            RouterKind.HAPROXY,
            str(self.socket),
            {spec: BACKEND},
            **settings,  # type: ignore[arg-type]
        )
        return HAProxy(own, door or LocalDoor(str(self.socket)), RealClock())


@dataclass
class Server:
    """An HTTP server that says its name, after a while; `in_hand` requests are not answered yet."""

    name: str
    port: int = 0
    takes_seconds: float = 0.0
    in_hand: int = 0
    address: str = "127.0.0.1"

    def member(self, weight: int = 100) -> Member:
        return Member(self.name, self.address, self.port, weight)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.name)
        while True:
            await reader.readuntil(b"\r\n\r\n")
            self.in_hand += 1
            try:
                await asyncio.sleep(self.takes_seconds)
                writer.write(head + self.name.encode())
                await writer.drain()
            finally:
                self.in_hand -= 1


class Talks:
    """Conversations of a test's servers; all are over when `end` returns."""

    def __init__(self) -> None:
        self._servers: list[asyncio.Server] = []
        self._running: set[asyncio.Task[None]] = set()

    def as_is(self, talk: Talk) -> Talk:
        """The same conversation, which hangs up at its end and is known until then."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]
            self._running.add(task)
            try:
                with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await talk(reader, writer)
            finally:
                self._running.discard(task)
                writer.close()

        return serve

    async def at_port(self, talk: Talk, port: int = 0, address: str = "127.0.0.1") -> int:
        server = await asyncio.start_server(self.as_is(talk), address, port)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def at_path(self, talk: Talk, path: str) -> None:
        self._servers.append(await asyncio.start_unix_server(self.as_is(talk), path))

    async def end(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._running:
            task.cancel()
        await asyncio.sleep(0.01)  # a closed transport lets go of its socket a moment later


@asynccontextmanager
async def talking() -> AsyncIterator[Talks]:
    talks = Talks()
    try:
        yield talks
    finally:
        await talks.end()


@asynccontextmanager
async def serving(*servers: Server) -> AsyncIterator[None]:
    """The servers listen, each at its port, or at a free one."""
    async with talking() as talks:
        for server in servers:
            server.port = await talks.at_port(server.answer, server.port, server.address)
        yield


async def get(port: int) -> str:
    """The name of who answered, or what went wrong."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        return f"failed: {error.strerror}"
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: tests\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1:2]
        return body.decode() if status == [b"200"] else f"failed: {head[:60]!r}"
    except OSError as error:
        return f"failed: {error.strerror}"
    finally:
        writer.close()


async def gets(port: int, count: int, *, at_once: int = 4) -> Counter[str]:
    """Who answered how many of so many requests."""
    answers: Counter[str] = Counter()
    left = iter(range(count))

    async def client() -> None:
        for _ in left:
            answers[await get(port)] += 1

    await asyncio.gather(*(client() for _ in range(at_once)))
    return answers


@asynccontextmanager
async def load(port: int, *, at_once: int = 8) -> AsyncIterator[Counter[str]]:
    """Clients that ask again and again; the counter holds who answered so far."""
    answers: Counter[str] = Counter()
    over = asyncio.Event()

    async def client() -> None:
        while not over.is_set():
            answers[await get(port)] += 1
            await asyncio.sleep(0.005)

    clients = [asyncio.create_task(client()) for _ in range(at_once)]
    try:
        yield answers
    finally:
        over.set()
        await asyncio.gather(*clients)


def failed(answers: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in answers.items() if name.startswith("failed")}
