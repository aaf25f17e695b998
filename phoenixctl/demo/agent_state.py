"""The reference agent's state: a counter that survives SIGKILL, and checkpoints of it.

<state>/lock        held by the one process that writes here
<state>/counter     one line per commit: `value checksum`; the last whole one counts
<state>/restored    the checksum of the checkpoint this state was started from
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_COMPACT_BYTES: Final = 1024**2


class StateError(Exception):
    """The state or checkpoint cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A value of the counter as it was written; `checksum` is its identity."""

    agent: str
    counter: int
    checksum: str


class Counter:
    """A counter on disk. What `commit` has returned for is durable."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._lock = _lock(folder / "lock")
        self._path = folder / "counter"
        self.value = _last_value(self._path)
        self._file = self._open_compact()

    def commit(self, value: int) -> None:
        """Make a new value durable, then show it."""
        line = _line(value)
        if os.write(self._file, line) != len(line):
            raise OSError(errno.ENOSPC, "the state could not be written whole", str(self._path))
        os.fsync(self._file)
        self.value = value
        if os.fstat(self._file).st_size > _COMPACT_BYTES:
            self.compact()

    def compact(self) -> None:
        """Leave one line in the file; one that has no more is not touched."""
        if os.fstat(self._file).st_size != len(_line(self.value)):
            os.close(self._file)
            self._file = self._open_compact()

    def restore(self, checkpoint: Checkpoint) -> bool:
        """Start from a checkpoint, once: not when this state has already come from it."""
        mark = self._folder / "restored"
        if mark.exists() and mark.read_text() == checkpoint.checksum:
            return False
        self.commit(checkpoint.counter)
        write_durably(mark, checkpoint.checksum.encode())
        return True

    def close(self) -> None:
        os.close(self._file)
        os.close(self._lock)

    def _open_compact(self) -> int:
        # Also cuts off a line that a crash left unfinished.
        write_durably(self._path, _line(self.value))
        return os.open(self._path, os.O_WRONLY | os.O_APPEND)


def write_checkpoint(folder: Path, agent: str, counter: int) -> Path:
    """Write a checkpoint whole and durably; returns its path."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = {"agent": agent, "counter": counter, "checksum": _checksum(agent, counter)}
    path = folder / f"checkpoint-{counter:020d}.json"
    write_durably(path, json.dumps(content).encode())
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint from its file, or the latest one of a folder; StateError when it is damaged."""
    if path.is_dir():
        found = sorted(path.glob("checkpoint-*.json"))
        if not found:
            raise StateError(f"no checkpoint in {path}")
        path = found[-1]
    try:
        content = json.loads(path.read_bytes())
        checkpoint = Checkpoint(
            str(content["agent"]), int(content["counter"]), str(content["checksum"])
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StateError(f"cannot read the checkpoint {path}: {error}") from error
    if checkpoint.checksum != _checksum(checkpoint.agent, checkpoint.counter):
        raise StateError(f"the checkpoint {path} is damaged: its checksum does not match")
    return checkpoint


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file: whole or not at all, also when the power fails."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateError(f"another process uses the state in {path.parent}") from None
    return descriptor


def _line(value: int) -> bytes:
    return f"{value} {zlib.crc32(str(value).encode()):08x}\n".encode()


def _last_value(path: Path) -> int:
    """The last whole line's value; 0 for a state that is not there yet."""
    if not path.exists():
        return 0
    for line in reversed(path.read_bytes().splitlines(keepends=True)):
        number = line.split(b" ")[0]
        if number.isdigit() and line == _line(int(number)):
            return int(number)
    raise StateError(f"the state in {path} is damaged: no line's checksum matches")


def _checksum(agent: str, counter: int) -> str:
    return f"{zlib.crc32(f'{agent} {counter}'.encode()):08x}"
