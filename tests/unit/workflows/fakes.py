"""Ports without a network: nodes that answer what a test says, and a clock that it sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import (
    CommandFailed,
    OutcomeUnknown,
    PhoenixError,
    Refused,
    Unreachable,
)
from phoenixctl.model.fleet import Node, Pool
from phoenixctl.model.instance import Instance
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.outcome import Failed, Outcome, Succeeded, Unknown
from phoenixctl.model.plan import Plan, Step
from phoenixctl.model.state import NO_CHANGE, Patch, State, patched
from phoenixctl.ports.provider import NodeRequest, Note
from phoenixctl.ports.reach import HttpRequest, HttpResponse, Job, Session, Transferred
from phoenixctl.ports.records import Holder, Unfinished

T = TypeVar("T")


class FakeClock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> str:
        return "2026-01-01T00:00:00.000Z"

    def epoch(self) -> float:
        return self.now


def completed(stdout: bytes = b"", status: int = 0, stderr: bytes = b"") -> Completed:
    return Completed(status, stdout, stderr, 0.1)


@dataclass
class FakeSession:
    """A node that answers each command and each page by a function."""

    node: NodeName
    answer: Callable[[Command], Completed | PhoenixError] = lambda _command: completed()
    page: Callable[[HttpRequest], HttpResponse | PhoenixError] = lambda _request: CommandFailed(
        "nothing listens"
    )
    socket: Callable[[str, bytes], bytes | PhoenixError] = lambda _at, _question: Unreachable(
        "nothing listens"
    )
    ran: list[Command] = field(default_factory=list)

    async def run(
        self, command: Command, *, timeout_seconds: float | None = None, sudo: bool | None = None
    ) -> Completed:
        self.ran.append(command)
        return _given(self.answer(command))

    async def http(self, request: HttpRequest) -> HttpResponse:
        return _given(self.page(request))

    async def accepts(self, port: int, *, timeout_seconds: float) -> bool:
        return False

    async def ask_socket(self, path: str, question: bytes, *, timeout_seconds: float) -> bytes:
        return _given(self.socket(path, question))

    async def ask_port(self, port: int, question: bytes, *, timeout_seconds: float) -> bytes:
        return _given(self.socket(str(port), question))

    def stream(self, command: Command, *, sudo: bool | None = None) -> Any:
        raise NotImplementedError

    async def feed(
        self,
        command: Command,
        chunks: AsyncIterator[bytes],
        *,
        timeout_seconds: float,
        sudo: bool | None = None,
    ) -> Completed:
        raise NotImplementedError

    async def upload(self, source: Path, target: str) -> Transferred:
        raise NotImplementedError

    async def download(self, source: str, target: Path) -> Transferred:
        raise NotImplementedError


def _given(answer: T | PhoenixError) -> T:
    if isinstance(answer, PhoenixError):
        raise answer
    return answer


class FakeReach:
    """Nodes by name; one that is an error cannot be reached, nor one that is not there."""

    def __init__(self, nodes: Mapping[str, FakeSession | PhoenixError]) -> None:
        self.nodes = nodes
        self.added: list[Node] = []

    def add(self, node: Node) -> None:
        self.added.append(node)

    async def each(
        self,
        nodes: Iterable[NodeName],
        job: Job[T],
        *,
        on_outcome: Callable[[NodeName, Outcome[T]], None] | None = None,
        parallel: int | None = None,
    ) -> dict[NodeName, Outcome[T]]:
        async def one(name: NodeName) -> tuple[NodeName, Outcome[T]]:
            node = self.nodes.get(name, Unreachable(f"{name} is silent"))
            outcome = await _outcome(node, job)
            if on_outcome is not None:
                on_outcome(name, outcome)
            return name, outcome

        return dict(await asyncio.gather(*(one(name) for name in nodes)))

    async def aclose(self) -> None:
        pass


async def _outcome(
    node: FakeSession | PhoenixError, job: Callable[[Session], Awaitable[T]]
) -> Outcome[T]:
    if isinstance(node, PhoenixError):
        return Failed(node, 0.5)
    try:
        return Succeeded(await job(node), 0.5)
    except OutcomeUnknown as error:
        return Unknown(error, 0.5)
    except PhoenixError as error:
        return Failed(error, 0.5)


EMPTY: Final = State("test", "f00d", 4)


@dataclass
class FakeOperation:
    """One operation of `FakeRecords`."""

    records: FakeRecords
    id: str
    unfinished: tuple[Unfinished, ...]
    notes: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    @property
    def state(self) -> State:
        return self.records.state

    async def open(self, plan: Plan, patch: Patch = NO_CHANGE) -> None:
        assert self.records.held
        self.records.opened.append(plan)
        self.records.state = replace(patched(self.state, patch), serial=int(self.id))

    async def begin(self, step: Step) -> None:
        assert self.records.held
        self.records.journal.append(("begin", step.key, ""))

    async def note(self, step: Step, facts: Mapping[str, str]) -> None:
        assert self.records.held
        self.notes.append((step.key, facts))

    async def end(self, step: Step, *, outcome: str, detail: str, patch: Patch = NO_CHANGE) -> None:
        assert self.records.held
        self.records.journal.append(("end", step.key, str(outcome)))
        self.records.details[step.key] = detail
        self.records.state = patched(self.state, patch)
        if outcome == "unknown":
            self.records.left.append(Unfinished(self.id, "test", step))

    async def settle(
        self, unfinished: Unfinished, *, outcome: str, detail: str, patch: Patch = NO_CHANGE
    ) -> None:
        assert self.records.held
        self.records.journal.append(("settle", unfinished.step.key, str(outcome)))
        self.records.details[unfinished.step.key] = detail
        self.records.state = patched(self.state, patch)
        if outcome != "unknown":
            self.records.left.remove(unfinished)


@dataclass
class FakeRecords:
    """Keeps in memory what would be on disk."""

    available: Mapping[NodeName, float] = field(default_factory=dict)
    sightings: list[dict[NodeName, bool]] = field(default_factory=list)
    journal: list[tuple[str, str, str]] = field(default_factory=list)  # event, step, outcome
    details: dict[str, str] = field(default_factory=dict)
    state: State = EMPTY
    left: list[Unfinished] = field(default_factory=list)
    opened: list[Plan] = field(default_factory=list)
    operations: list[FakeOperation] = field(default_factory=list)
    held: bool = False
    lasting: dict[AgentId, float] = field(default_factory=dict)  # leases
    ended: list[str] = field(default_factory=list)  # how each operation did: ok, failed, …

    @asynccontextmanager
    async def changing(
        self,
        title: str,
        *,
        wait_seconds: float = 0.0,
        on_wait: Callable[[Holder], None] | None = None,
    ) -> AsyncIterator[FakeOperation]:
        self.held = True
        operation = FakeOperation(self, str(self.state.serial + 1), tuple(self.left))
        self.operations.append(operation)
        try:
            yield operation
            self.ended.append("ok")
        except BaseException as error:
            self.ended.append("failed" if isinstance(error, Exception) else "interrupted")
            raise
        finally:
            self.held = False

    async def unfinished(self) -> tuple[Unfinished, ...]:
        return tuple(self.left)

    async def read(self) -> State:
        return self.state

    def availability(self) -> Mapping[NodeName, float]:
        return self.available

    def leases(self) -> Mapping[AgentId, float]:
        return self.lasting

    def permitting(self, agents: Iterable[AgentId]) -> None:
        for agent in agents:
            self.lasting.pop(agent, None)

    def permitted(self, seconds: Mapping[AgentId, float]) -> None:
        self.lasting.update(seconds)

    def renewing(self, seconds: Mapping[AgentId, float]) -> None:
        self.lasting.update({a: s for a, s in seconds.items() if a in self.lasting})

    def sighted(self, answered: Mapping[NodeName, bool], *, epoch: float) -> None:
        self.sightings.append(dict(answered))


@dataclass
class FakeProvider:
    """A provider whose nodes exist in a dictionary, a second one of a name under another key;
    `fails` says why it makes none."""

    nodes: dict[NodeName, Instance] = field(default_factory=dict)
    asked: list[NodeRequest] = field(default_factory=list)
    destroyed: list[str] = field(default_factory=list)  # ids
    fails: PhoenixError | None = None
    host_keys: tuple[str, ...] = ()

    async def list(self, pool: Pool) -> tuple[Instance, ...]:
        return tuple(i for i in self.nodes.values() if i.node.pool == pool.name)

    async def create(self, request: NodeRequest, *, note: Note) -> Instance:
        self.asked.append(request)
        await note({"attempt": str(len(self.asked))})
        if self.fails is not None:
            raise self.fails
        node = Node(request.name, request.pool.name, str(request.name), host_keys=self.host_keys)
        instance = Instance(
            node, f"i-{request.name}", lineage=request.lineage, operation=request.operation
        )
        return self.nodes.setdefault(request.name, instance)

    async def destroy(self, pool: Pool, instance: Instance) -> None:
        if self.fails is not None:
            raise self.fails
        self.destroyed.append(instance.id)
        for key, found in list(self.nodes.items()):
            if found.id == instance.id:
                if found.protected:
                    raise Refused(
                        f"{found.node.name} is protected by its provider", hint="unprotect"
                    )
                del self.nodes[key]

    async def protect(self, pool: Pool, instance: Instance, *, on: bool) -> None:
        name = instance.node.name
        self.nodes[name] = replace(self.nodes[name], protected=on)
