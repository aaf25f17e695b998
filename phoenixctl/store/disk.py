"""Files that only the operator can read and that a crash leaves whole."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from phoenixctl.model.errors import PhoenixError


def make_private(folder: Path) -> None:
    """The folder exists, and what had to be made of its path is for the operator alone."""
    try:
        # One by one: `parents=True` would leave those above as open as the umask is.
        for path in (*reversed(folder.parents), folder):
            if not path.is_dir():
                path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise PhoenixError(
            f"cannot keep records in {folder}: {error.strerror}",
            hint="set XDG_STATE_HOME to a folder that you can write to",
        ) from None


def replace_file(path: Path, content: bytes) -> None:
    """The file is the old one or the new one, never half of it; 0600 from its creation.

    Not synced: after a power loss it may be the old one, or empty.
    """
    _replace(path, content, synced=False)


def write_safely(path: Path, content: bytes) -> None:
    """As `replace_file`, and on the disk when it returns; its folder is made if need be."""
    if not path.parent.is_dir():
        make_private(path.parent)
    try:
        _replace(path, content, synced=True)
        sync_folder(path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from None


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Nobody else on this machine does what this lock file stands for; waits for who does."""
    make_private(lock.parent)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes, *, synced: bool) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if synced:
                file.flush()
                os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def read_or_none(path: Path) -> bytes | None:
    """The file whole; None when there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PhoenixError(f"{path} cannot be read: {error.strerror}") from None


class LineFile:
    """A file that only grows, a line at a time; each is on the disk when `add` returns."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def add(self, line: bytes) -> None:
        """A line that could not be written whole is taken back; PhoenixError says why."""
        size = os.fstat(self._descriptor).st_size
        content = (b"\n" if self._torn(size) else b"") + line + b"\n"
        try:
            while content:
                content = content[os.write(self._descriptor, content) :]
            os.fsync(self._descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._descriptor, size)
            raise _cannot_write(self._path, error) from None

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def _torn(self, size: int) -> bool:
        """Whether a run was killed in the middle of the last line: the next would be lost too."""
        return size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"


@contextmanager
def line_file(path: Path) -> Iterator[LineFile]:
    """The file at `path`, made with 0600 if need be, to add lines to."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    new = not path.exists()
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise _cannot_write(path, error) from None
    try:
        if new:
            sync_folder(path.parent)  # else a power loss could take the file with its lines
        yield LineFile(path, descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> PhoenixError:
    return PhoenixError(
        f"{path} cannot be written: {error.strerror}",
        hint="make room on the disk, or set XDG_STATE_HOME to another place; then try again",
    )
