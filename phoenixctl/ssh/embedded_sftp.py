"""File transfer on an embedded node: its home folder and /tmp, nothing else of the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import asyncssh


class HomeFiles(asyncssh.SFTPServer):
    """SFTP with relative paths in `home`; what resolves outside of it and /tmp is refused."""

    def __init__(self, chan: asyncssh.SSHServerChannel[Any], home: Path) -> None:
        super().__init__(chan)
        self._home = os.fsencode(home)
        self._allowed = tuple(os.path.realpath(root) for root in (self._home, b"/tmp"))

    def map_path(self, path: bytes) -> bytes:
        """The local path; SFTPPermissionDenied outside of the allowed folders."""
        local = os.path.join(self._home, path)  # noqa: PTH118 - SFTP paths are bytes
        real = os.path.realpath(local)
        if not any(real == root or real.startswith(root + b"/") for root in self._allowed):
            raise asyncssh.SFTPPermissionDenied("outside of the node's home folder and /tmp")
        return local
