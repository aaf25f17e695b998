"""A small HTTP server that tells a Prometheus what is known of the fleet.

A scrape reads the last values alone. One thread owns the stores, others wait for slow clients.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from phoenixctl import __version__
from phoenixctl.model.errors import PhoenixError, UsageError
from phoenixctl.performance.compliance import targets_by_name
from phoenixctl.ports.records import Entry
from phoenixctl.render.exposition import Exposed, families

if TYPE_CHECKING:
    from phoenixctl.cli.compose import Parts

PATH: Final = "/metrics"
_OPERATIONS: Final = 10
_HISTORY_SECONDS: Final = 30.0  # records may be in S3, where each operation is a request
_CLIENT_SECONDS: Final = 10.0

_Environment = dict[str, Any]
_Start = Callable[[str, list[tuple[str, str]]], object]


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{PATH}"


def address_of(text: str) -> Address:
    """`127.0.0.1:9464`, `[::1]:9464`, `:9464` for every address of this machine."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--listen {text} is no address", hint="write it like 127.0.0.1:9464")
    if ":" in bare and bare == host:
        raise UsageError(f"--listen {text} is no address", hint="write it like [::1]:9464")
    return Address(bare or "0.0.0.0", int(port))  # noqa: S104 - it was asked for


class Exposition(Collector):
    """Reads the fleet's stores when it is asked."""

    def __init__(self, parts: Parts, *, max_age_seconds: float) -> None:
        self._parts = parts
        self._max_age_seconds = max_age_seconds
        self._owner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stores")
        self._operations: tuple[float, tuple[Entry, ...]] | None = None

    def collect(self) -> Iterator[Family]:
        return families(self._owner.submit(self._read).result())

    def close(self) -> None:
        self._owner.submit(lambda: asyncio.run(self._parts.aclose())).result()
        self._owner.shutdown()

    def _read(self) -> Exposed:
        parts = self._parts
        remembered = parts.alerts.recall()
        return Exposed(
            fleet=parts.fleet.name,
            version=__version__,
            values=parts.metrics.latest(since=parts.clock.epoch() - self._max_age_seconds),
            kinds=parts.metrics.kinds(),
            standings=remembered.standings,
            evaluated_at=remembered.evaluated_at,
            operations=self._history(),
            targets=targets_by_name(parts.fleet.targets),
        )

    def _history(self) -> tuple[Entry, ...]:
        now = self._parts.clock.monotonic()
        if self._operations is None or now - self._operations[0] > _HISTORY_SECONDS:
            found = asyncio.run(self._parts.records.history())
            self._operations = (now, tuple(found[:_OPERATIONS]))
        return self._operations[1]


class Server(ThreadingMixIn, WSGIServer):
    """On one address; `say` is called with what a scrape could not read."""

    daemon_threads = True

    def __init__(self, address: Address, exposition: Collector, say: Callable[[str], None]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        try:
            super().__init__((address.host, address.port), _Handler)
        except OSError as error:
            raise PhoenixError(
                f"cannot listen on {address.host}:{address.port}: {error.strerror or error}",
                hint="choose another one: --listen 127.0.0.1:0",
            ) from None
        registry = CollectorRegistry(auto_describe=False)
        registry.register(exposition)
        self._metrics = make_wsgi_app(registry)
        self._say = say
        self._said = ""
        self.set_app(self._answer)

    @property
    def address(self) -> Address:
        host, port = self.socket.getsockname()[:2]
        return Address(str(host), int(port))

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the name service who we are.
        TCPServer.server_bind(self)
        host, port = self.socket.getsockname()[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def _answer(self, environment: _Environment, start: _Start) -> Iterable[bytes]:
        if environment.get("PATH_INFO") != PATH:
            return _text(start, "404 Not Found", f"The metrics are at {PATH}\n")
        environment["QUERY_STRING"] = ""  # all of it is cheap; there are no parts to ask for
        try:
            answer: Iterable[bytes] = self._metrics(environment, start)
        except PhoenixError as error:
            if str(error) != self._said:
                self._said = str(error)
                self._say(f"{error.kind}: {error}")
            return _text(start, "503 Service Unavailable", f"{error.kind}: {error}\n")
        self._said = ""
        return answer


class _Handler(WSGIRequestHandler):
    timeout = _CLIENT_SECONDS

    def log_message(self, *_: object) -> None:
        """A line for each scrape would be no help to anybody."""


def _text(start: _Start, status: str, text: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]
