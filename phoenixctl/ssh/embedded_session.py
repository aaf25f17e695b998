"""One command on an embedded node: a process in a session of its own, joined to a channel.

Bytes in both directions, with back-pressure; the exit status or signal as it was; and, other than
with sshd, nothing of a command outlives its channel but what called setsid itself, as agents do.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncssh

from phoenixctl.ssh.embedded_process import end_session, signal_group, signal_name

_CLOSE_CHECK_SECONDS: Final = 0.5
_CANNOT_RUN: Final = 126
_REAP_CHECKS: Final = 100


@dataclass
class Workplace:
    """Where a node's commands run: their folder, their whole environment, and those running."""

    folder: Path
    environment: Mapping[str, str]
    running: set[CommandSession] = field(default_factory=set)

    async def end_all(self) -> None:
        """End every command that still runs."""
        await asyncio.gather(*(session.end() for session in list(self.running)))


class CommandSession(asyncssh.SSHServerSession[bytes]):
    """Runs `argv` for one channel."""

    def __init__(self, argv: Sequence[str], workplace: Workplace) -> None:
        self._argv = argv
        self._workplace = workplace
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._process: asyncio.SubprocessTransport | None = None
        self._input: asyncio.WriteTransport | None = None
        self._input_ended = False
        self._input_paused = False
        # What arrives before the process is there: at most a channel's window.
        self._early: list[bytes] = []
        self._early_signals: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # The channel's side.

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def session_started(self) -> None:
        self._workplace.running.add(self)
        self._spawn(self._start())

    def data_received(self, data: bytes, _datatype: int | None) -> None:
        if self._process is None:
            self._early.append(data)
        elif self._input is not None and not self._input.is_closing():
            self._input.write(data)

    def eof_received(self) -> bool:
        self._input_ended = True
        started = self._process is not None
        if started and self._input is not None and not self._input.is_closing():
            self._input.write_eof()
        return True  # our side stays open for the output

    def signal_received(self, signal: str) -> None:
        if self._process is None:
            self._early_signals.append(signal)
        elif self in self._workplace.running:
            signal_group(self._process.get_pid(), signal, reaped=self._reaped)

    def pause_writing(self) -> None:
        for pipe in self._outputs():
            pipe.pause_reading()

    def resume_writing(self) -> None:
        for pipe in self._outputs():
            pipe.resume_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._channel = None
        if self._process is not None and self in self._workplace.running:
            self._spawn(self.end())

    # The process's side.

    def output(self, stream: int, data: bytes) -> None:
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(data, asyncssh.EXTENDED_DATA_STDERR if stream == 2 else None)

    def pause_input(self) -> None:
        self._input_paused = True
        if self._channel is not None:
            self._channel.pause_reading()
            self._spawn(self._notice_close())

    def resume_input(self) -> None:
        self._input_paused = False
        # Not at once: asyncio's pipe calls from the middle of a write, and a write_eof from in
        # there would lose what is still in its buffer.
        asyncio.get_running_loop().call_soon(self._resume_reading)

    def input_lost(self) -> None:
        """Nobody reads any more: what still comes is dropped, and the channel goes on."""
        self._input = None
        self.resume_input()

    def ended(self, status: int) -> None:
        """The process has ended and its output is read; a negative status is a signal's."""
        self._workplace.running.discard(self)
        if self._input is not None and not self._input.is_closing():
            self._input.abort()
        if self._channel is None:
            return
        if status >= 0:
            self._channel.exit(status)
        else:
            self._channel.exit_with_signal(signal_name(-status))

    async def end(self) -> None:
        """TERM, a grace, then KILL to all that is left of the command."""
        if self._process is not None and self in self._workplace.running:
            await end_session(self._process.get_pid(), reaped=self._reaped)
            await self._wait_reaped()
            # Lets go of the pipes too, which a process outside of the session may still hold.
            self._process.close()
        self._workplace.running.discard(self)

    # Inside.

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()  # a real pipe, as sshd's: /dev/stdin can be opened again
        try:
            self._input, _ = await loop.connect_write_pipe(
                lambda: _InputEvents(self), os.fdopen(writing, "wb", buffering=0)
            )
            self._process, _ = await loop.subprocess_exec(
                lambda: _ProcessEvents(self),
                *self._argv,
                stdin=reading,
                cwd=self._workplace.folder,
                env=self._workplace.environment,
                start_new_session=True,
            )
        except OSError as error:
            self.output(2, f"cannot run {self._argv[0]}: {error}\n".encode())
            self.ended(_CANNOT_RUN)
            return
        finally:
            os.close(reading)
        await self._catch_up()

    async def _catch_up(self) -> None:
        """Hand over what came while the process was being started."""
        early, self._early = self._early, []
        for data in early:
            self.data_received(data, None)
        if self._input_ended:
            self.eof_received()
        for name in self._early_signals:
            self.signal_received(name)
        if self._channel is None:
            await self.end()

    async def _notice_close(self) -> None:
        # A channel that is closed while its reading is paused says so only once it is resumed.
        while self._input_paused and self._channel is not None:
            if self._channel.is_closing():
                self._channel.resume_reading()
                return
            await asyncio.sleep(_CLOSE_CHECK_SECONDS)

    def _resume_reading(self) -> None:
        if self._channel is not None and not self._input_paused:
            self._channel.resume_reading()

    def _outputs(self) -> Iterator[asyncio.ReadTransport]:
        if self._process is not None:
            for stream in (1, 2):
                pipe = self._process.get_pipe_transport(stream)
                if isinstance(pipe, asyncio.ReadTransport):
                    yield pipe

    async def _wait_reaped(self) -> None:
        # Closing a transport before its child watcher has seen the end makes asyncio complain.
        for _ in range(_REAP_CHECKS):
            if self._reaped:
                return
            await asyncio.sleep(0.01)

    @property
    def _reaped(self) -> bool:
        return self._process is not None and self._process.get_returncode() is not None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _InputEvents(asyncio.BaseProtocol):
    """Tells a session how full the pipe to its process is."""

    def __init__(self, session: CommandSession) -> None:
        self._session = session

    def pause_writing(self) -> None:
        self._session.pause_input()

    def resume_writing(self) -> None:
        self._session.resume_input()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._session.input_lost()


class _ProcessEvents(asyncio.SubprocessProtocol):
    """Tells a session what its process says and how it ends."""

    def __init__(self, session: CommandSession) -> None:
        self._session = session
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.SubprocessTransport):
            self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._session.output(fd, data)

    def connection_lost(self, _exc: Exception | None) -> None:
        status = None
        if self._transport is not None:
            status = self._transport.get_returncode()
            self._transport.close()
        self._session.ended(_CANNOT_RUN if status is None else status)
