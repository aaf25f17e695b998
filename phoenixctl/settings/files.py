"""Files that a configuration names: relative to it, or to the home folder with `~/`."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_LARGEST: Final = 16 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where the configuration lies and the environment it is read in.

    `digests` notes every file that `read` gave: what was made of the configuration relies on it.
    """

    folder: Path
    environ: Mapping[str, str]
    digests: dict[Path, str] = field(default_factory=dict, compare=False)

    def path(self, written: str) -> Path:
        """Where a written path leads."""
        if written.startswith("~/"):
            return self.home() / written[2:]
        return self.folder / written

    def read(self, written: str) -> bytes:
        """The content of a written path; ValueError says why it cannot be had."""
        path = self.path(written).absolute()
        data = read_file(path)
        self.digests[path] = digest(data)
        return data

    def home(self) -> Path:
        return Path(self.environ.get("HOME") or "/")


def digest(data: bytes) -> str:
    """SHA-256, in hex."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def find_file(path: Path) -> None:
    """Nothing, if there is a file; ValueError says what is there instead."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"there is no file {path}") from None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    if stat.S_ISDIR(mode):
        raise ValueError(f"{path} is a folder")


def read_file(path: Path) -> bytes:
    """The content; ValueError says why it cannot be had."""
    try:
        if path.is_dir():
            raise ValueError(f"{path} is a folder")
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from None
    if len(data) > _LARGEST:
        raise ValueError(f"{path} is larger than {_LARGEST // 1024**2} MiB")
    return data
