"""Files of a node that has no SFTP server, with what every POSIX shell has."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from secrets import token_hex
from typing import Final, Protocol

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.names import NodeName
from phoenixctl.ports.reach import Chunk
from phoenixctl.ssh.files import Kind, RemoteEntry, temporary

_LOOK: Final = 'if [ -e "$1" ];then stat -L -c "%f %s" -- "$1";fi'
_ENTRIES: Final = (
    'cd -- "$1"||exit;for f in * .[!.]* ..?*;do if [ -e "$f" ]||[ -L "$f" ];then '
    'printf "%s %s\\000" "$(stat -c "%f %s" -- "$f")" "$f";fi;done'
)
_FOLDER: Final = '[ -d "$1" ]||mkdir -m 700 -- "$1"'
_LINK: Final = 'ln -s -- "$2" "$3"&&mv -f -- "$3" "$1"'
_PUT: Final = (
    'umask 077;trap \'rm -f -- "$2"\' EXIT;cat >"$2"&&[ "$(wc -c <"$2")" -eq "$4" ]'
    '&&chmod "$3" -- "$2"&&mv -f -- "$2" "$1"'
)
_GET: Final = 'cat -- "$1"&&echo @whole >&2'
# The whole file goes through our memory and one channel's buffer.
_LARGEST: Final = 64 * 1024**2


class Runner(Protocol):
    """The half of a session that this needs."""

    @property
    def node(self) -> NodeName: ...

    async def run(
        self, command: Command, *, timeout_seconds: float | None = None, sudo: bool | None = None
    ) -> Completed: ...

    def stream(
        self, command: Command, *, sudo: bool | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]: ...


class ShellFiles:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def look(self, path: str) -> RemoteEntry | None:
        printed = await self._sh(_LOOK, path)
        return _entry(f"{printed.decode().strip()} {path}") if printed else None

    async def entries(self, path: str) -> list[RemoteEntry]:
        printed = await self._sh(_ENTRIES, path)
        lines = printed.decode("utf-8", "surrogateescape").split("\0")
        return [_entry(line) for line in lines if line]

    async def link_target(self, path: str) -> str:
        printed = await self._sh('readlink -- "$1"&&echo .', path)
        return printed.decode("utf-8", "surrogateescape").removesuffix("\n.\n")

    async def make_folder(self, path: str) -> None:
        await self._sh(_FOLDER, path)

    async def make_link(self, path: str, target: str) -> None:
        await self._sh(_LINK, path, target, temporary(path, token_hex(6)))

    async def set_mode(self, path: str, mode: int) -> None:
        await self._sh('chmod "$2" -- "$1"', path, f"{mode:o}")

    async def put(self, source: Path, path: str, mode: int) -> int:
        data = _small_file(source, self._runner.node)
        aside = temporary(path, token_hex(6))
        await self._sh(_PUT, path, aside, f"{mode:o}", str(len(data)), stdin=data)
        return len(data)

    async def get(self, path: str, _size: int) -> AsyncIterator[bytes]:
        said = b""
        command = Command("sh", "-c", _GET, "sh", path)
        async with self._runner.stream(command, sudo=False) as chunks:
            async for chunk in chunks:
                if chunk.stream == "stdout":
                    yield chunk.data
                else:
                    said = (said + chunk.data)[-1000:]
        if not said.endswith(b"@whole\n"):
            raise self._failed(path, said)

    async def close(self) -> None:
        return None

    async def _sh(self, script: str, *arguments: str, stdin: bytes | None = None) -> bytes:
        command = Command("sh", "-c", script, "sh", *arguments, stdin=stdin)
        done = await self._runner.run(command, sudo=False)
        if not done.ok:
            raise self._failed(arguments[0], done.stderr)
        if done.stdout_truncated:
            raise CommandFailed(f"{self._runner.node}: {arguments[0]} holds too much to list")
        return done.stdout

    def _failed(self, path: str, said: bytes) -> CommandFailed:
        text = said.decode("utf-8", "replace").strip()
        return CommandFailed(f"{self._runner.node}: {path}: {text or 'it broke off'}")


def _small_file(source: Path, node: NodeName) -> bytes:
    if source.stat().st_size > _LARGEST:
        raise CommandFailed(
            f"{node}: {source} is too large for a node without SFTP",
            hint="let its sshd_config have `Subsystem sftp internal-sftp`",
        )
    return source.read_bytes()


def _entry(line: str) -> RemoteEntry:
    """`81a4 1234 name`, as `stat -c "%f %s"` and the name give it."""
    mode_text, size, name = line.split(" ", 2)
    mode = int(mode_text, 16)
    kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}
    kind = kinds.get(stat.S_IFMT(mode), Kind.OTHER)
    return RemoteEntry(name, kind, stat.S_IMODE(mode), int(size))
