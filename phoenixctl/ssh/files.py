"""What copying needs from the node's side, whichever way it is spoken to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol


class Kind(StrEnum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "symbolic link"
    OTHER = "special file"


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """A name on the node; `mode` holds the permission bits, `size` is in bytes."""

    name: str
    kind: Kind
    mode: int
    size: int


class RemoteFiles(Protocol):
    """File operations on a node. Raise CommandFailed with the node's reason."""

    async def look(self, path: str) -> RemoteEntry | None:
        """What a path is, through links; None when there is nothing."""
        ...

    async def entries(self, path: str) -> list[RemoteEntry]:
        """What a folder holds, links as links; names as the node gives them."""
        ...

    async def link_target(self, path: str) -> str: ...

    async def make_folder(self, path: str) -> None:
        """A folder of mode 0700, where there is none yet."""
        ...

    async def make_link(self, path: str, target: str) -> None: ...

    async def set_mode(self, path: str, mode: int) -> None: ...

    async def put(self, source: Path, path: str, mode: int) -> int:
        """Write a local file under a temporary name, then give it its own; bytes written."""
        ...

    def get(self, path: str, size: int, /) -> AsyncIterator[bytes]:
        """A file's bytes, in pieces."""
        ...

    async def close(self) -> None: ...


def temporary(path: str, token: str) -> str:
    """Beside the file that it will become, so that renaming is one step."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}.{name[:200]}.{token}.part"
