"""Where a router's files are: on this machine, or on a node. A file is the old or the new one."""

from __future__ import annotations

import asyncio
import os
import posixpath
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from phoenixctl.model.command import Command
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Succeeded
from phoenixctl.ports.reach import Reach, Session

# A proxy runs as a user of its own; the addresses in its files are no secret.
_MODE: Final = 0o644


class Place(Protocol):
    """A folder. CommandFailed says why a file cannot be read or written."""

    async def read(self, name: str) -> bytes | None:
        """The file whole; None when there is none."""
        ...

    async def write(self, name: str, content: bytes) -> None:
        """Replace the file by renaming, which is what a proxy that watches it waits for."""
        ...

    async def remove(self, name: str) -> None: ...

    async def run(self, arguments: Sequence[str], *, timeout_seconds: float) -> None:
        """Run a program where the folder is; CommandFailed with what it said last."""
        ...


class LocalPlace:
    """A folder of the operator's own machine."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    async def read(self, name: str) -> bytes | None:
        path = self._folder / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CommandFailed(f"{path} cannot be read: {error.strerror}") from None

    async def write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        try:
            _replace(path, content)
        except OSError as error:
            raise CommandFailed(
                f"{path} cannot be written: {error.strerror}",
                hint="the router's `folder` is the one that it reads its files from",
            ) from None

    async def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    async def run(self, arguments: Sequence[str], *, timeout_seconds: float) -> None:
        words = " ".join(arguments)
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
            )
        except OSError as error:
            raise CommandFailed(f"{words}: {error.strerror}") from None
        try:
            said, _ = await asyncio.wait_for(process.communicate(), timeout_seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise CommandFailed(f"{words} took longer than {timeout_seconds:g} s") from None
        if process.returncode:
            raise CommandFailed(f"{words}: {_last_line(said)}")


class NodePlace:
    """A folder of a node, through the fleet's connection to it."""

    def __init__(self, reach: Reach, node: NodeName, folder: str) -> None:
        self._reach = reach
        self._node = node
        self._folder = folder

    async def read(self, name: str) -> bytes | None:
        path = posixpath.join(self._folder, name)

        async def job(session: Session) -> bytes | None:
            found = await session.run(Command("test", "-e", path))
            if found.exit_status == 1:
                return None
            with TemporaryDirectory(prefix="phoenixctl-") as folder:
                copy = Path(folder) / "copy"
                await session.download(path, copy)
                return copy.read_bytes()

        outcome = (await self._reach.each([self._node], job))[self._node]
        if isinstance(outcome, Succeeded):
            return outcome.value
        raise outcome.error

    async def write(self, name: str, content: bytes) -> None:
        path = posixpath.join(self._folder, name)

        async def job(session: Session) -> None:
            with TemporaryDirectory(prefix="phoenixctl-") as folder:
                copy = Path(folder) / "copy"
                _replace(copy, content)
                await session.upload(copy, path)

        outcome = (await self._reach.each([self._node], job))[self._node]
        if not isinstance(outcome, Succeeded):
            raise outcome.error

    async def remove(self, name: str) -> None:
        await self._done(Command("rm", "-f", posixpath.join(self._folder, name)), 30.0)

    async def run(self, arguments: Sequence[str], *, timeout_seconds: float) -> None:
        await self._done(Command(*arguments), timeout_seconds)

    async def _done(self, command: Command, timeout_seconds: float) -> None:
        async def job(session: Session) -> None:
            found = await session.run(command, timeout_seconds=timeout_seconds)
            if found.exit_status:
                said = _last_line(found.stderr or found.stdout)
                raise CommandFailed(f"{command.argv[0]} on {self._node}: {said}")

        outcome = (await self._reach.each([self._node], job))[self._node]
        if not isinstance(outcome, Succeeded):
            raise outcome.error


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it failed and said nothing"


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}.{token_hex(6)}.part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
