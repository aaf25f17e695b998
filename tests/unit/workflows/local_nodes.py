"""Nodes on which the scripts really run: folders of this machine, without a network between."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, PhoenixError
from phoenixctl.model.fleet import AgentSpec, Fleet, Node, Pool, Supervisor
from phoenixctl.model.names import NodeName
from phoenixctl.ports.reach import Chunk, HttpRequest, HttpResponse
from phoenixctl.remote.checkpoints import Kept, parse_shelf, shelf_command
from tests.unit.remote.machine import FLEET, SHELLS, Machine
from tests.unit.workflows.fakes import FakeReach, completed

_SCRIPT = re.compile(r"say 'phoenixctl ([a-z-]+)'")


class Killed(BaseException):
    """The operator's process is gone: nothing more of it runs."""


@dataclass
class LocalNode:
    """A session to such a node. `odd` says what happens in place of a script of that name;
    `dies_after` is the script that is the last one of the operator's process."""

    node: NodeName
    machine: Machine
    page: Callable[[HttpRequest], HttpResponse] = lambda _request: HttpResponse(200, b"")
    odd: dict[str, PhoenixError] = field(default_factory=dict)
    dies_after: str = ""
    dead: bool = False
    ran: list[str] = field(default_factory=list)

    async def run(
        self, command: Command, *, timeout_seconds: float | None = None, sudo: bool | None = None
    ) -> Completed:
        if self.dead:
            raise Killed
        if command.argv[0] == "ssh":  # straight to another node: nobody trusts anybody here
            return completed(status=255)
        found = _SCRIPT.search(command.argv[2]) if len(command.argv) > 2 else None
        name = found[1] if found else command.argv[0]
        self.ran.append(name)
        if name in self.odd:
            raise self.odd[name]
        done = await asyncio.to_thread(self.machine.run, command)
        if name == self.dies_after:
            self.dead = True
            raise Killed
        return done

    @asynccontextmanager
    async def stream(
        self, command: Command, *, sudo: bool | None = None
    ) -> AsyncIterator[AsyncIterator[Chunk]]:
        done = await self.run(command)

        async def chunks() -> AsyncIterator[Chunk]:
            yield Chunk("stdout", done.stdout)
            yield Chunk("stderr", done.stderr)

        yield chunks()

    async def feed(
        self,
        command: Command,
        chunks: AsyncIterator[bytes],
        *,
        timeout_seconds: float,
        sudo: bool | None = None,
    ) -> Completed:
        data = b"".join([chunk async for chunk in chunks])
        return await self.run(Command(*command.argv, stdin=data))

    async def http(self, request: HttpRequest) -> HttpResponse:
        return self.page(request)

    async def accepts(self, port: int, *, timeout_seconds: float) -> bool:
        return True

    async def ask_socket(self, path: str, question: bytes, *, timeout_seconds: float) -> bytes:
        raise CommandFailed("there is none")

    async def ask_port(self, port: int, question: bytes, *, timeout_seconds: float) -> bytes:
        raise CommandFailed("there is none")

    async def upload(self, source: Path, target: str) -> object:
        raise NotImplementedError

    async def download(self, source: str, target: Path) -> object:
        raise NotImplementedError

    def kept(self) -> tuple[Kept, ...]:
        """What its shelf has."""
        where = Node(self.node, "main", "", supervisor=Supervisor.PROCESS)
        shelf = parse_shelf(self.machine.run(shelf_command(where, FLEET)))
        return tuple(kept for found in shelf.kept.values() for kept in found)


@dataclass
class LocalNodes:
    """Some of them, and a fleet of them with agents."""

    fleet: Fleet
    nodes: dict[str, LocalNode | PhoenixError]

    @property
    def reach(self) -> FakeReach:
        return FakeReach(self.nodes)  # type: ignore[arg-type]

    def __getitem__(self, name: str) -> LocalNode:
        found = self.nodes[name]
        assert isinstance(found, LocalNode)
        return found

    def __iter__(self) -> Iterator[LocalNode]:
        return (found for found in self.nodes.values() if isinstance(found, LocalNode))

    def revive(self) -> None:
        """Another process of the operator's."""
        for one in self:
            one.dead, one.dies_after = False, ""


def local_nodes(root: Path, *names: str, agents: tuple[AgentSpec, ...]) -> LocalNodes:
    nodes: dict[str, LocalNode | PhoenixError] = {}
    for name in names:
        folder = root / name
        folder.mkdir()
        nodes[name] = LocalNode(NodeName(name), Machine.with_shell(SHELLS[0], folder))
    fleet = Fleet(
        FLEET,
        {"main": Pool("main")},
        {
            NodeName(name): Node(NodeName(name), "main", name, supervisor=Supervisor.PROCESS)
            for name in names
        },
        {spec.name: spec for spec in agents},
    )
    return LocalNodes(fleet, nodes)
