"""One open way to one node: commands, streams, its loopback servers, files."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from asyncssh import (
    ChannelOpenError,
    DisconnectError,
    SFTPConnectionLost,
    SFTPError,
    SFTPNoConnection,
)

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import (
    CommandFailed,
    CommandTimeout,
    OutcomeUnknown,
    Unreachable,
)
from phoenixctl.model.fleet import Node, SshSettings
from phoenixctl.model.names import NodeName
from phoenixctl.ports.reach import Chunk, HttpRequest, HttpResponse, Transferred
from phoenixctl.ssh.envelope import KILL_AFTER_SECONDS, ending, followed, timed, told
from phoenixctl.ssh.execution import Execution, Feed, start
from phoenixctl.ssh.wire import COMMANDS_AT_ONCE, Connection

if TYPE_CHECKING:
    from phoenixctl.ssh.files import RemoteFiles

# How much longer than the node's own deadline we wait for the news of it.
_NEWS_SECONDS: Final = KILL_AFTER_SECONDS + 2.0
_PID_WITHIN_SECONDS: Final = 0.5
_END_WITHIN_SECONDS: Final = 2.0
_PLACE_WITHIN_SECONDS: Final = 5.0


class SshSession:
    """A connection to a node. `unproven` is set when a command may still run there."""

    def __init__(
        self,
        node: Node,
        connection: Connection,
        settings: SshSettings,
        endings: set[asyncio.Task[bool]],
    ) -> None:
        self._node = node
        self._connection = connection
        self._settings = settings
        self._root = connection.get_extra_info("username") == "root"
        self._endings = endings  # kept by the reach, which waits for them
        self.unproven = False

    @property
    def node(self) -> NodeName:
        return self._node.name

    async def run(
        self, command: Command, *, timeout_seconds: float | None = None, sudo: bool | None = None
    ) -> Completed:
        async with self._connection.places:
            return await self._run(command, timeout_seconds, sudo)

    async def feed(
        self,
        command: Command,
        chunks: AsyncIterator[bytes],
        *,
        timeout_seconds: float,
        sudo: bool | None = None,
    ) -> Completed:
        async with self._place_soon():
            return await self._run(command, timeout_seconds, sudo, chunks)

    async def _run(
        self,
        command: Command,
        timeout_seconds: float | None,
        sudo: bool | None,
        chunks: AsyncIterator[bytes] | None = None,
    ) -> Completed:
        limit = timeout_seconds or self._settings.command_timeout_seconds
        seconds = max(1, math.ceil(limit))
        as_root = self._needs_sudo(sudo)
        line = timed(command.argv, seconds=seconds, sudo=as_root)
        execution = Execution(limit=self._settings.output_limit)
        try:
            stdin = (command.stdin or b"") if chunks is None else None
            await self._start(execution, line, stdin)
            async with asyncio.timeout(seconds + _NEWS_SECONDS):
                if chunks is not None:
                    await _written(execution, chunks)
                await execution.settled
        except TimeoutError:
            if await self._end(execution, as_root):
                raise self._timed_out(command, seconds) from None
            raise self._unknown(command, "it did not end in time") from None
        except BaseException:  # cancelled, or there is no more to feed it with
            await self._end(execution, as_root)
            raise
        if not execution.ended.done():
            await self._end_flood(execution, as_root)
        completed = self._completed(execution, command, as_root)
        if _was_timed_out(completed, seconds):
            if await self._sweep(execution, as_root):
                raise self._timed_out(command, seconds)
            raise self._unknown(command, "its time was over, and parts of it may be left")
        return completed

    @asynccontextmanager
    async def stream(
        self, command: Command, *, sudo: bool | None = None
    ) -> AsyncIterator[AsyncIterator[Chunk]]:
        as_root = self._needs_sudo(sudo)
        feed = Feed()
        async with self._place_soon():
            try:
                await self._start(feed, followed(command.argv, sudo=as_root), None)
                yield self._chunks(feed, command, as_root)
            finally:
                await self._end(feed, as_root)

    @asynccontextmanager
    async def _place_soon(self) -> AsyncIterator[None]:
        """A place among the commands; CommandFailed when others, endless ones too, keep all."""
        places = self._connection.places
        try:
            async with asyncio.timeout(_PLACE_WITHIN_SECONDS):
                await places.acquire()
        except TimeoutError:
            raise CommandFailed(
                f"{self.node}: {COMMANDS_AT_ONCE} commands run there at once, which is the most",
                hint="follow fewer agents of one node at a time",
            ) from None
        try:
            yield
        finally:
            places.release()

    async def http(self, request: HttpRequest) -> HttpResponse:
        from phoenixctl.ssh.tunnel import ask  # h11 is for those who ask

        return await ask(
            self._connection, request, node=self.node, limit=self._settings.output_limit
        )

    async def accepts(self, port: int, *, timeout_seconds: float) -> bool:
        from phoenixctl.ssh.tunnel import accepts

        return await accepts(
            self._connection, port, node=self.node, timeout_seconds=timeout_seconds
        )

    async def ask_socket(self, path: str, question: bytes, *, timeout_seconds: float) -> bytes:
        from phoenixctl.ssh.unix_socket import ask

        return await ask(
            self._connection,
            path,
            question,
            node=self.node,
            timeout_seconds=timeout_seconds,
            limit=self._settings.output_limit,
        )

    async def ask_port(self, port: int, question: bytes, *, timeout_seconds: float) -> bytes:
        from phoenixctl.ssh.unix_socket import ask_port

        return await ask_port(
            self._connection,
            port,
            question,
            node=self.node,
            timeout_seconds=timeout_seconds,
            limit=self._settings.output_limit,
        )

    async def upload(self, source: Path, target: str) -> Transferred:
        from phoenixctl.ssh.transfer import upload

        async with self._files() as files:
            return await upload(files, source, target)

    async def download(self, source: str, target: Path) -> Transferred:
        from phoenixctl.ssh.transfer import download

        async with self._files() as files:
            return await download(files, source, target)

    @asynccontextmanager
    async def _files(self) -> AsyncIterator[RemoteFiles]:
        """The node's files: over SFTP, or over its shell where there is no SFTP server."""
        from phoenixctl.ssh.sftp_files import SftpFiles
        from phoenixctl.ssh.shell_files import ShellFiles

        files: RemoteFiles
        try:
            client = await self._connection.start_sftp_client(path_errors="surrogateescape")
            files = SftpFiles(client, self.node)
        except (ChannelOpenError, SFTPError):
            files = ShellFiles(self)
        except (DisconnectError, OSError) as error:
            raise Unreachable(f"{self.node}: the connection broke: {error}") from error
        try:
            yield files
        except (DisconnectError, SFTPConnectionLost, SFTPNoConnection) as error:
            raise OutcomeUnknown(f"{self.node}: the connection broke while copying") from error
        finally:
            await files.close()

    def _needs_sudo(self, wanted: bool | None) -> bool:
        # root needs none, and a plain machine may not have it installed
        return (self._node.sudo if wanted is None else wanted) and not self._root

    async def _start(self, execution: Execution, line: str, stdin: bytes | None) -> None:
        try:
            await start(self._connection, execution, line, stdin=stdin)
        except (ChannelOpenError, DisconnectError, OSError) as error:
            if execution.channel is None:
                raise Unreachable(f"{self.node}: no channel for a command: {error}") from error
            raise OutcomeUnknown(
                f"{self.node}: the connection broke as the command was sent: {error}"
            ) from error

    async def _chunks(self, feed: Feed, command: Command, as_root: bool) -> AsyncIterator[Chunk]:
        async for chunk in feed.chunks():
            yield chunk
        if feed.lost is not None:
            raise self._unknown(command, str(feed.lost))
        if feed.pid is None:
            raise self._not_started(feed, as_root)

    def _completed(self, execution: Execution, command: Command, as_root: bool) -> Completed:
        status, signal = execution.exit_status, execution.signal
        if execution.lost is not None or (status is None and signal is None):
            raise self._unknown(command, str(execution.lost or "no exit status came"))
        found = told(execution.stderr)
        if found is None:
            raise self._not_started(execution, as_root)
        return Completed(
            status,
            bytes(execution.stdout),
            found.stderr,
            execution.seconds,
            signal,
            execution.stdout_truncated,
            execution.stderr_truncated,
        )

    async def _end_flood(self, execution: Execution, as_root: bool) -> None:
        """End a command whose output nobody can want; its buffers are full and marked."""
        gone = await self._end(execution, as_root)
        if gone and execution.signal is None and execution.exit_status is None:
            execution.signal = "TERM"
        execution.lost = None if gone else execution.lost

    async def _end(self, execution: Execution, as_root: bool) -> bool:
        """Whether the command is proven to be gone; its process group is ended for it."""
        if execution.ended.done():
            gone = execution.lost is None
        else:
            # A task of its own: whoever is cancelled here must not leave the command running.
            task = asyncio.ensure_future(self._end_group(execution, as_root))
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)
            gone = await asyncio.shield(task)
        self.unproven = self.unproven or not gone
        return gone

    async def _end_group(self, execution: Execution, as_root: bool) -> bool:
        if execution.channel is None:  # nothing was sent
            return True
        gone = False
        try:
            pid = await execution.pid_within(_PID_WITHIN_SECONDS)
            if pid is not None and not execution.ended.done():
                async with asyncio.timeout(_END_WITHIN_SECONDS):
                    gone = await self._kill(pid, as_root)
                    await asyncio.wait([execution.ended], timeout=0.3)
        except (ChannelOpenError, DisconnectError, OSError, TimeoutError):
            gone = False
        execution.channel.close()
        return gone or (execution.ended.done() and execution.exit_status is not None)

    async def _sweep(self, execution: Execution, as_root: bool) -> bool:
        """End what busybox's `timeout` leaves, which ends the command and not its children."""
        found = told(execution.stderr)
        try:
            async with asyncio.timeout(_END_WITHIN_SECONDS):
                return found is not None and await self._kill(found.pid, as_root)
        except (ChannelOpenError, DisconnectError, OSError, TimeoutError):
            return False

    async def _kill(self, pid: int, as_root: bool) -> bool:
        killing = Execution(limit=1024)
        async with self._connection.endings:
            await start(self._connection, killing, ending(pid, sudo=as_root))
            await killing.ended
        return killing.exit_status == 0

    def _not_started(self, execution: Execution, as_root: bool) -> CommandFailed:
        said = bytes(execution.stderr or execution.noise)[:500].decode("utf-8", "replace").strip()
        if as_root:
            return CommandFailed(
                f"{self.node}: sudo does not run it without a password: {said}",
                hint="allow it in sudoers with NOPASSWD, or log in as root",
            )
        return CommandFailed(
            f"{self.node}: the login shell did not start the command: {said or 'it said nothing'}",
            hint="the node needs a POSIX `sh` and `timeout`; see what `ssh NODE true` says",
        )

    def _timed_out(self, command: Command, seconds: int) -> CommandTimeout:
        return CommandTimeout(
            f"{self.node}: `{_short(command)}` was ended on the node after {seconds} s",
            hint="give it more time, or look at what it waits for",
        )

    def _unknown(self, command: Command, why: str) -> OutcomeUnknown:
        self.unproven = True
        return OutcomeUnknown(
            f"{self.node}: the end of `{_short(command)}` was not seen: {why}",
            hint="look at the node before running it again",
        )


async def _written(execution: Execution, chunks: AsyncIterator[bytes]) -> None:
    """Write the standard input, until all is written or the command has ended without it."""
    writing = asyncio.ensure_future(execution.write(chunks))
    try:
        await asyncio.wait((writing, execution.settled), return_when=asyncio.FIRST_COMPLETED)
        if writing.done():
            await writing
    finally:
        if writing.cancel():
            await asyncio.wait((writing,))


def _was_timed_out(completed: Completed, seconds: int) -> bool:
    """`timeout` says 124, or dies of its own KILL; a command may say so too, but not so late."""
    ended = completed.exit_status in {124, 137, 143} or completed.signal in {"KILL", "TERM"}
    return ended and completed.seconds > seconds - 0.1


def _short(command: Command) -> str:
    text = " ".join(command.argv)
    return text if len(text) <= 60 else text[:57] + "..."
