"""How workflows reach nodes. Nothing above this line may know how a command gets there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Outcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to a server on the node's own loopback."""

    port: int
    path: str
    method: str = "GET"
    body: bytes = b""
    timeout_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    body: bytes
    truncated: bool = False

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a running command's output."""

    stream: str  # "stdout" or "stderr"
    data: bytes


@dataclass(frozen=True, slots=True)
class Transferred:
    files: int
    bytes: int


class Session(Protocol):
    """One open way to one node. Raises PhoenixError subclasses; a lost connection after the
    command was sent is OutcomeUnknown, before it Unreachable."""

    @property
    def node(self) -> NodeName: ...

    async def run(
        self, command: Command, *, timeout_seconds: float | None = None, sudo: bool | None = None
    ) -> Completed:
        """Run to its end, with a deadline on the node too (None: the fleet's own).

        `sudo`: None follows the node's setting; False runs as the login user.
        """
        ...

    def stream(
        self, command: Command, *, sudo: bool | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Run without a deadline and give its output as it comes; leaving ends it on the node."""
        ...

    async def feed(
        self,
        command: Command,
        chunks: AsyncIterator[bytes],
        *,
        timeout_seconds: float,
        sudo: bool | None = None,
    ) -> Completed:
        """Run to its end as `run` does, with a standard input that is written as it is taken.

        What `chunks` raises ends the command on the node and is raised. The command has to know
        by itself whether its input is whole: where we die, it ends early. It is read no further
        once the command has ended.
        """
        ...

    async def http(self, request: HttpRequest) -> HttpResponse:
        """Ask a loopback server of the node. CommandFailed when nothing answers."""
        ...

    async def accepts(self, port: int, *, timeout_seconds: float) -> bool:
        """Whether something listens on that port of the node's loopback."""
        ...

    async def ask_socket(self, path: str, question: bytes, *, timeout_seconds: float) -> bytes:
        """All that the server of a Unix socket of the node says, until it hangs up.

        Unreachable when nothing listens there; OutcomeUnknown when the end was not seen.
        """
        ...

    async def ask_port(self, port: int, question: bytes, *, timeout_seconds: float) -> bytes:
        """The same of the server on a port of the node's loopback."""
        ...

    async def upload(self, source: Path, target: str) -> Transferred:
        """Copy a file or folder to the node; files appear whole or not at all."""
        ...

    async def download(self, source: str, target: Path) -> Transferred:
        """Copy a file or folder from the node."""
        ...


Job = Callable[[Session], Awaitable[T]]
"""Work on one node, over one connection."""


class Reach(Protocol):
    """The nodes of a fleet."""

    async def each(
        self,
        nodes: Iterable[NodeName],
        job: Job[T],
        *,
        on_outcome: Callable[[NodeName, Outcome[T]], None] | None = None,
        parallel: int | None = None,
    ) -> dict[NodeName, Outcome[T]]:
        """Do the job on every node at once, within the fleet's limits; an outcome per node,
        in the order given. A connection stays open and is used again until `aclose`."""
        ...

    def add(self, node: Node) -> None:
        """From now on there is this node, or it is reached this way."""
        ...

    async def aclose(self) -> None: ...
