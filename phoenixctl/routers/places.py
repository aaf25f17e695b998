"""Where a router's files are: on this machine, or on a node. A file is the old or the new one."""

from __future__ import annotations

import os
import posixpath
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
                hint="the router's `path` is the folder that Envoy reads its endpoints from",
            ) from None


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
