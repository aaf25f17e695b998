"""The hosts that an OpenSSH client configuration names. Nothing else of it is read here."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phoenixctl.settings.files import Surroundings, read_file

_DEEPEST: Final = 16  # levels of Include, as in OpenSSH
_KEYWORD: Final = re.compile(r"\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)")
_ARGUMENT: Final = re.compile(r'"([^"]*)"|(\S+)')


def ssh_hosts(path: Path, surroundings: Surroundings) -> tuple[str, ...]:
    """The names of all `Host` lines, in order, without patterns (`*`, `?`, `!`).

    `Include` is followed as OpenSSH does: relative to ~/.ssh, with wildcards, also inside a Host
    block. ValueError when a file that must be there cannot be read.
    """
    return tuple(dict.fromkeys(_hosts(path, surroundings, depth=0)))


def _hosts(path: Path, surroundings: Surroundings, *, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError(f"{path} is included through more than {_DEEPEST} files")
    for line in read_file(path).decode("utf-8", "replace").splitlines():
        match = _KEYWORD.match(line)
        if match is None:
            continue
        arguments = _arguments(match[2])
        if match[1].lower() == "host":
            yield from (name for name in arguments if not set(name) & set("*?!"))
        elif match[1].lower() == "include":
            for pattern in arguments:
                for included in _included(pattern, surroundings):
                    yield from _hosts(included, surroundings, depth=depth + 1)


def _arguments(text: str) -> list[str]:
    found: list[str] = []
    for quoted, bare in _ARGUMENT.findall(text):
        if bare.startswith("#"):
            break
        found.append(quoted or bare)
    return found


def _included(pattern: str, surroundings: Surroundings) -> list[Path]:
    """What the pattern matches and can be a file; nothing is no error, as in OpenSSH."""
    home = surroundings.home()
    full = home / pattern[2:] if pattern.startswith("~/") else home / ".ssh" / pattern
    # Not pathlib's: it takes hidden files for `*`, which glob(3) and so OpenSSH do not.
    names = sorted(glob.glob(str(full)))  # noqa: PTH207
    return [included for included in map(Path, names) if included.is_file()]
