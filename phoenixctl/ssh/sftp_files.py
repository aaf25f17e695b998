"""Files of a node over SFTP, several requests on the way at once."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final, cast

from asyncssh import (
    SFTPAttrs,
    SFTPClient,
    SFTPConnectionLost,
    SFTPError,
    SFTPFailure,
    SFTPNoConnection,
    SFTPNoSuchFile,
    SFTPNoSuchPath,
    SFTPOpUnsupported,
)

from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.names import NodeName
from phoenixctl.ssh.files import Kind, RemoteEntry, temporary

# Written or read at once: asyncssh keeps its requests under way within one piece.
_PIECE: Final = 1024**2
_UNKNOWN_PIECE: Final = 65536


class SftpFiles:
    def __init__(self, client: SFTPClient, node: NodeName) -> None:
        self._client = client
        self._node = node

    async def look(self, path: str) -> RemoteEntry | None:
        with self._explained(path):
            try:
                return _entry(path, await self._client.stat(path))
            except (SFTPNoSuchFile, SFTPNoSuchPath):
                return None

    async def entries(self, path: str) -> list[RemoteEntry]:
        found = []
        with self._explained(path):
            for name in await self._client.readdir(path):
                text = str(name.filename)
                if text in {".", ".."}:
                    continue
                attributes = name.attrs
                if attributes.permissions is None or attributes.size is None:
                    attributes = await self._client.lstat(f"{path}/{text}")
                found.append(_entry(text, attributes))
        return found

    async def link_target(self, path: str) -> str:
        with self._explained(path):
            return str(await self._client.readlink(path))

    async def make_folder(self, path: str) -> None:
        with self._explained(path):
            try:
                await self._client.mkdir(path, SFTPAttrs(permissions=0o700))
            except SFTPFailure:
                if not await self._client.isdir(path):
                    raise

    async def make_link(self, path: str, target: str) -> None:
        aside = temporary(path, token_hex(6))
        with self._explained(path):
            await self._client.symlink(target, aside)
            await self._rename(aside, path)

    async def set_mode(self, path: str, mode: int) -> None:
        with self._explained(path):
            await self._client.chmod(path, mode)

    async def put(self, source: Path, path: str, mode: int) -> int:
        aside = temporary(path, token_hex(6))
        complete = False
        with self._explained(path):
            try:
                size = await self._write(source, aside)
                await self._client.chmod(aside, mode)
                await self._rename(aside, path)
                complete = True
                return size
            finally:
                if not complete:
                    with suppress(SFTPError):
                        await self._client.remove(aside)

    async def get(self, path: str, size: int) -> AsyncIterator[bytes]:
        with self._explained(path):
            async with await self._client.open(path, "rb", encoding=None) as file:
                offset = 0
                # A file of /proc says it is empty: such ones are read until they end.
                while not size or offset < size:
                    piece = min(_PIECE, size - offset) if size else _UNKNOWN_PIECE
                    data = cast(bytes, await file.read(piece, offset))
                    if not data:
                        return
                    offset += len(data)
                    yield data

    async def close(self) -> None:
        self._client.exit()

    async def _write(self, source: Path, aside: str) -> int:
        offset = 0
        private = SFTPAttrs(permissions=0o600)
        with source.open("rb") as local:
            async with await self._client.open(aside, "xb", private) as file:
                while data := local.read(_PIECE):
                    await file.write(data, offset)
                    offset += len(data)
                with suppress(SFTPOpUnsupported):
                    await file.fsync()
        return offset

    async def _rename(self, old: str, new: str) -> None:
        try:
            await self._client.posix_rename(old, new)
        except SFTPOpUnsupported:
            # Without the extension a rename does not replace; the gap is the server's.
            with suppress(SFTPError):
                await self._client.remove(new)
            await self._client.rename(old, new)

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except (SFTPConnectionLost, SFTPNoConnection):
            raise
        except SFTPError as error:
            raise CommandFailed(f"{self._node}: {path}: {error.reason or error}") from error


def _entry(name: str, attributes: SFTPAttrs) -> RemoteEntry:
    mode = attributes.permissions or 0
    kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}
    kind = kinds.get(stat.S_IFMT(mode), Kind.OTHER)
    return RemoteEntry(name, kind, stat.S_IMODE(mode), attributes.size or 0)
