"""An agent's state, or one file, from one node to another, checked by what it holds.

Straight between the nodes where the source's own SSH knows the target, else through us: then it is
in memory a little at a time, and on no disk of ours. Everything may be repeated after a crash.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, OutcomeUnknown, PhoenixError, UsageError
from phoenixctl.model.fleet import Fleet, Node
from phoenixctl.model.names import AgentId, NodeName
from phoenixctl.model.outcome import Outcome, Succeeded
from phoenixctl.model.units import format_bytes
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.reach import Chunk, Reach, Session
from phoenixctl.remote.between import parse_probe, probe_command, straight_command
from phoenixctl.remote.reboot import BOOT, parse_boot
from phoenixctl.remote.state_copy import (
    Taken,
    parse_read_file,
    parse_take,
    parse_take_file,
    read_file_command,
    send_command,
    send_file_command,
    take_command,
    take_file_command,
)
from phoenixctl.remote.state_delta import Batch, batches, differences, orders, room_needed
from phoenixctl.remote.state_listing import Listing, ListingReader, listing_command, shown

T = TypeVar("T")
STRAIGHT: Final = "node to node"
THROUGH_US: Final = "through the operator"
# A batch is small, but links and disks may be slow; what hangs is noticed by its connection.
_BATCH_SECONDS: Final = 900.0
_FILE_SECONDS: Final = 6 * 3600.0
_PROBE_SECONDS: Final = 15.0
_SAID_LIMIT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Copied:
    """What one round has copied, and by which way.

    `later` did not stay the same while they were read, `skipped` are sockets, pipes and devices.
    """

    bytes: int
    files: int
    seconds: float
    way: str
    later: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class StateCopy:
    """Makes an agent's state folder on the target like the one on the source, in rounds.

    What the target has of an earlier life of the agent is replaced, and spares what is the same.
    `user` is the agent's own, where its spec names one.
    """

    def __init__(  # noqa: PLR0917 - from where to where reads best in this order
        self,
        fleet: Fleet,
        reach: Reach,
        clock: Clock,
        agent: AgentId,
        source: NodeName,
        target: NodeName,
        *,
        user: str | None = None,
    ) -> None:
        if source == target:
            raise UsageError(f"{agent} cannot be copied from {source} to itself")
        self._fleet = fleet
        self._clock = clock
        self._agent = agent
        self._user = user
        self._pipe = _Pipe(fleet, reach, source, target)

    async def check_room(self) -> None:
        """CommandFailed when the target has no room for the state; nothing is changed."""
        self._check(*await self._listings(sums=False))

    async def round(self) -> Copied:
        """Copy what differs now. What changes while it is read is left to the next round."""
        begun = self._clock.monotonic()
        source, target = await self._listings()
        self._check(source, target)
        copied, files, later = 0, 0, set(source.unsteady)
        for batch in batches(orders(source, target)):
            taken = self._taken(await self._carry(batch), batch)
            copied += batch.bytes
            files += taken.files
            later.update(taken.later)
        return Copied(
            copied,
            files,
            self._clock.monotonic() - begun,
            await self._pipe.way(),
            tuple(shown((path,)) for path in sorted(later)),
            tuple(shown((path,)) for path in source.special),
        )

    async def verify(self) -> None:
        """CommandFailed unless both are the same now."""
        source, target = await self._listings()
        unsteady = source.unsteady + target.unsteady
        if differing := unsteady or differences(source, target):
            raise CommandFailed(
                f"the state of {self._agent} on {self._pipe.target.name} is not the one on"
                f" {self._pipe.source.name}: {shown(differing)}",
                hint="nothing may write to it on either node while it is compared",
            )

    async def _listings(self, *, sums: bool = True) -> tuple[Listing, Listing]:
        def listing(node: Node) -> Command:
            return listing_command(self._agent, node, self._fleet.name, user=self._user, sums=sums)

        async def read(session: Session) -> Listing:
            reader = ListingReader()
            node = self._fleet.nodes[session.node]
            async with session.stream(listing(node)) as chunks:
                async for chunk in chunks:
                    if chunk.stream == "stdout":
                        reader.take(chunk.data)
            try:
                return reader.result()
            except CommandFailed as error:
                raise CommandFailed(f"{session.node}: {error.what}", hint=error.hint) from None

        source, target = await self._pipe.both(read)
        if not source.exists:
            raise CommandFailed(f"{self._agent} has no state on {self._pipe.source.name}")
        return source, target

    def _check(self, source: Listing, target: Listing) -> None:
        need, files = room_needed(source, target)
        if need > target.free or (target.free_files is not None and files > target.free_files):
            lacking = (
                f"{format_bytes(need)} are needed and {format_bytes(target.free)} are free"
                if need > target.free
                else f"{files} files are too many for it"
            )
            raise CommandFailed(
                f"the disk of {self._pipe.target.name} has no room for the state of"
                f" {self._agent}: {lacking}",
                hint="free some of it, or choose another node",
            )

    def _taken(self, completed: Completed, batch: Batch) -> Taken:
        try:
            return parse_take(completed, batch)
        except CommandFailed as error:
            raise CommandFailed(f"{self._pipe.target.name}: {error.what}") from None

    async def _carry(self, batch: Batch) -> Completed:
        name = self._fleet.name
        take = take_command(self._agent, self._pipe.target, name, batch, user=self._user)
        if not batch.parts:
            return await self._pipe.run_there(take, _BATCH_SECONDS)
        send = send_command(self._agent, self._pipe.source, name, batch.parts, user=self._user)
        return await self._pipe.carry(send, take, _BATCH_SECONDS)


async def copy_file(
    fleet: Fleet,
    reach: Reach,
    source: tuple[NodeName, str],
    target: tuple[NodeName, str],
    *,
    user: str | None = None,
) -> int:
    """Copy one file, which is there whole and as it was, or not at all; its size in bytes.

    Both are a node and a path; `user` owns it there. CommandFailed when it cannot be read, changes
    while it is read, or finds no room.
    """
    (here, path), (there, to) = source, target
    if here == there:
        raise UsageError(f"{path} is on {there} already")
    pipe = _Pipe(fleet, reach, here, there)
    content = parse_read_file(await pipe.run_here(read_file_command(path), _FILE_SECONDS), path)
    take = take_file_command(to, content, user=user)
    parse_take_file(await pipe.carry(send_file_command(path), take, _FILE_SECONDS))
    return content.size


class _Pipe:
    """What a command prints on the source goes into one on the target."""

    def __init__(self, fleet: Fleet, reach: Reach, source: NodeName, target: NodeName) -> None:
        self.source = fleet.nodes[source]
        self.target = fleet.nodes[target]
        self._settings = fleet.ssh
        self._reach = reach
        self._straight: bool | None = None

    async def way(self) -> str:
        return STRAIGHT if await self._is_straight() else THROUGH_US

    async def both(self, job: Callable[[Session], Awaitable[T]]) -> tuple[T, T]:
        """The job's values on the source and on the target, at the same time."""
        names = (self.source.name, self.target.name)
        outcomes = await self._reach.each(names, job)
        return _value(outcomes[names[0]]), _value(outcomes[names[1]])

    async def run_here(self, command: Command, seconds: float, **more: bool) -> Completed:
        return await self._on(
            self.source, lambda s: s.run(command, timeout_seconds=seconds, **more)
        )

    async def run_there(self, command: Command, seconds: float) -> Completed:
        return await self._on(self.target, lambda s: s.run(command, timeout_seconds=seconds))

    async def carry(self, send: Command, take: Command, seconds: float) -> Completed:
        """What `take` said in the end."""
        if await self._is_straight():
            return await self._straight_over(send, take)
        return await self._on(
            self.source, lambda session: self._through(session, send, take, seconds)
        )

    async def _through(
        self, source: Session, send: Command, take: Command, seconds: float
    ) -> Completed:
        said = _Said()
        async with source.stream(send) as chunks:

            async def sent() -> AsyncGenerator[bytes]:
                async for chunk in chunks:
                    if chunk.stream == "stdout":
                        yield chunk.data
                    else:
                        said.take(chunk)

            feeding = sent()
            try:
                completed = await self._on(
                    self.target, lambda s: s.feed(take, feeding, timeout_seconds=seconds)
                )
            finally:
                await feeding.aclose()
        return self._judged(completed, said)

    async def _straight_over(self, send: Command, take: Command) -> Completed:
        command = straight_command(send, self.source, take, self.target, self._settings)

        async def job(session: Session) -> Completed:
            said = _Said()
            async with session.stream(command, sudo=False) as chunks:
                async for chunk in chunks:
                    said.take(chunk)
            completed = Completed(0, bytes(said.output), bytes(said.errors), 0.0)
            if not any(word in completed.stdout for word in (b"\nwhole yes\n", b"\nerror ")):
                self._straight = False  # the way is cut: what is next goes through us
            return self._judged(completed, said)

        return await self._on(self.source, job)

    def _judged(self, completed: Completed, said: _Said) -> Completed:
        """When too little came, what the source said of it is why."""
        told = completed.stdout
        if (
            said.text
            and b"\nwhole yes\n" not in told
            and (b"broke off" in told or b"\nerror " not in told)
        ):
            raise CommandFailed(f"{self.source.name}: {said.text}")
        return completed

    async def _is_straight(self) -> bool:
        if self._straight is None:
            try:
                self._straight = await self._probe()
            except OutcomeUnknown:
                raise
            except PhoenixError:
                self._straight = False
        return self._straight

    async def _probe(self) -> bool:
        boot = parse_boot(await self.run_there(BOOT, _PROBE_SECONDS))
        probe = probe_command(self.target, self._settings)
        return bool(boot) and parse_probe(
            await self.run_here(probe, _PROBE_SECONDS, sudo=False), boot
        )

    async def _on(self, node: Node, job: Callable[[Session], Awaitable[T]]) -> T:
        return _value((await self._reach.each((node.name,), job))[node.name])


class _Said:
    """The first that a stream says on each side; more would be a flood."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.errors = bytearray()

    def take(self, chunk: Chunk) -> None:
        buffer = self.output if chunk.stream == "stdout" else self.errors
        buffer += chunk.data[: _SAID_LIMIT - len(buffer)]

    @property
    def text(self) -> str:
        return self.errors.decode("utf-8", "replace").strip()


def _value(outcome: Outcome[T]) -> T:
    if isinstance(outcome, Succeeded):
        return outcome.value
    raise outcome.error
