"""The fleet of an unchanged configuration, kept as it was read: no YAML, no pydantic, 100 ms less.

A copy is found by a digest over everything that reading depends on, and names the files of public
keys that went into it with theirs. A configuration that takes nodes from other files is always
read anew, for those may change behind its back.
"""

from __future__ import annotations

import copyreg
import hashlib
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from phoenixctl import __version__
from phoenixctl.model import fleet as fleet_module
from phoenixctl.model.fleet import NOTHING, Fleet
from phoenixctl.settings.files import digest, read_file
from phoenixctl.settings.load import load

_MOST: Final = 32  # copies in a folder


@dataclass(frozen=True, slots=True)
class _Kept:
    """A fleet with the digests of the files it relies on, by path."""

    fleet: Fleet
    relies_on: dict[Path, str]

    def fresh(self) -> bool:
        """Whether these files are still the same; ValueError when one cannot be read."""
        return all(digest(read_file(path)) == known for path, known in self.relies_on.items())


def load_fleet(
    path: Path,
    *,
    environ: Mapping[str, str],
    overrides: Mapping[str, str] = NOTHING,
    cache: Path,
) -> Fleet:
    """As `load(...).fleet`, from the folder `cache` when nothing has changed since.

    ConfigError as `load`. A cache that cannot be used or is not ours alone costs only time.
    """
    copy = _copy_of(path, environ, overrides, cache)
    if copy is not None:
        found = _read(copy)
        if found is not None:
            return found
    loaded = load(path, environ=environ, overrides=overrides)
    if copy is not None and loaded.relies_on is not None:
        with suppress(OSError):
            _write(copy, _Kept(loaded.fleet, dict(loaded.relies_on)))
    return loaded.fleet


def _copy_of(
    path: Path, environ: Mapping[str, str], overrides: Mapping[str, str], cache: Path
) -> Path | None:
    """Where the copy of exactly this reading is; None when there can be none."""
    try:
        if not path.is_file():  # a pipe can be read only once
            return None
        data = read_file(path.absolute())
        rooms = (Path(fleet_module.__file__).parent, Path(__file__).parent)
        code = [source.stat() for room in rooms for source in sorted(room.glob("*.py"))]
    except (OSError, ValueError):
        return None
    relevant = {k: v for k, v in environ.items() if k == "HOME" or k.startswith("PHOENIXCTL_")}
    parts = (
        __version__,
        sys.version,
        str([(s.st_mtime_ns, s.st_size) for s in code]),
        str(path.absolute()),
        str(sorted(relevant.items())),
        str(sorted(overrides.items())),
    )
    whole = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape") + b"\0" + data)
    return cache / f"{whole.hexdigest()}.fleet"


def _read(copy: Path) -> Fleet | None:
    """The kept fleet, if the file and its folder are ours and writable by nobody else."""
    try:
        for place in (copy, copy.parent):
            about = place.lstat()
            if about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) & 0o022:
                return None
        # Who can write here is the operator, who can run anything as well.
        found = pickle.loads(copy.read_bytes())  # noqa: S301
        fresh = isinstance(found, _Kept) and found.fresh()
    except Exception:  # whatever is wrong with a copy, the original is there
        return None
    return found.fleet if fresh else None


def _write(copy: Path, kept: _Kept) -> None:
    copyreg.pickle(MappingProxyType, _thawed)
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    copies = sorted(copy.parent.glob("*.fleet"), key=lambda p: p.stat().st_mtime)
    for old in copies[: max(0, len(copies) - _MOST + 1)]:
        old.unlink(missing_ok=True)
    content = pickle.dumps(kept, protocol=pickle.HIGHEST_PROTOCOL)
    descriptor, name = tempfile.mkstemp(dir=copy.parent, prefix=".fleet-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    Path(name).replace(copy)


def _thawed(view: MappingProxyType[Any, Any]) -> tuple[Any, tuple[dict[Any, Any]]]:
    return frozen, (dict(view),)


def frozen(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    """A read-only view; pickle cannot make one itself and looks for this name."""
    return MappingProxyType(content)
