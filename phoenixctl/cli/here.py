"""The operator's own machine, for playbooks: programs that are run there, keys that are trusted."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed, CommandTimeout
from phoenixctl.model.names import NodeName
from phoenixctl.model.units import format_duration

if TYPE_CHECKING:
    from phoenixctl.ssh.reach import SshReach

_KEPT: Final = 64 * 1024  # bytes of what a program says


@dataclass(frozen=True, slots=True)
class OperatorsMachine:
    """Implements ports.here.Here."""

    reach: SshReach

    async def run(self, command: Command, *, timeout_seconds: float) -> Completed:
        return await run_here(command, timeout_seconds=timeout_seconds)

    async def digest(self, path: str) -> str:
        return await asyncio.to_thread(digest_of, path)

    async def trust(self, node: NodeName, public: str) -> None:
        self.reach.learn(node, public)

    async def distrust_others(self, node: NodeName, public: str) -> int:
        return self.reach.unlearn_others(node, public)


async def run_here(command: Command, *, timeout_seconds: float) -> Completed:
    """As ports.here.Here.run: a program of this machine, to its end."""
    begun = time.monotonic()
    try:
        process = await asyncio.create_subprocess_exec(
            *command.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(f"{command.argv[0]}: {error.strerror}") from None
    try:
        async with asyncio.timeout(timeout_seconds):
            out, err = await process.communicate(command.stdin)
    except TimeoutError:
        raise CommandTimeout(
            f"{command.argv[0]} was not done within {format_duration(timeout_seconds)}"
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    status = process.returncode or 0
    ended = signal.Signals(-status).name.removeprefix("SIG") if status < 0 else None
    seconds = time.monotonic() - begun
    return Completed(None if ended else status, out[-_KEPT:], err[-_KEPT:], seconds, ended)


def digest_of(path: str) -> str:
    """SHA-256 of a file, in hex. CommandFailed when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}") from None
