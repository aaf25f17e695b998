"""Host keys that are written into known_hosts files, and taken out of them."""

from __future__ import annotations

import os
from binascii import a2b_base64
from collections.abc import Iterable
from pathlib import Path
from secrets import token_hex
from typing import Final

from phoenixctl.model.errors import CommandFailed
from phoenixctl.ssh.known_hosts import Entry, Marker
from phoenixctl.ssh.trust import Trust

_SEVERAL: Final = "*?!"


def learn(trust: Trust, public: str) -> None:
    """Add a key (`ssh-ed25519 AAAA…`) beside the one that is known, under the same name.

    CommandFailed, and nothing is written, when none is known, when the host is vouched for by a
    certificate, when its line is about several hosts, or the file cannot be written.
    """
    kind, text = public.split()[:2]
    known = _entries(trust)
    if any(entry.marker is Marker.AUTHORITY for entry in known):
        raise CommandFailed(
            f"{trust.name} is known by a certificate, which a new key would not have",
            hint="sign the new key where the certificates are made",
        )
    keys = [entry for entry in known if entry.marker is Marker.KEY]
    if any(entry.key == a2b_base64(text) for entry in keys):
        return
    if not keys:
        raise CommandFailed(f"{trust.name} is in no known_hosts file")
    same = [entry for entry in keys if entry.type == kind]
    path, number = _place((same or keys)[0])
    name = _names(path, number)
    _append(path, f"{name} {kind} {text}")


def unlearn_others(trust: Trust, public: str) -> int:
    """Take every other key of that type for the same host out of the files; how many lines."""
    kind, text = public.split()[:2]
    gone: dict[Path, set[int]] = {}
    for entry in _entries(trust):
        if entry.marker is Marker.KEY and entry.type == kind and entry.key != a2b_base64(text):
            path, number = _place(entry)
            gone.setdefault(path, set()).add(number)
    for path, numbers in gone.items():
        _remove(path, numbers)
    return sum(map(len, gone.values()))


def _entries(trust: Trust) -> tuple[Entry, ...]:
    return trust.entries or trust.portless


def _place(entry: Entry) -> tuple[Path, int]:
    path, _, number = entry.place.rpartition(":")
    return Path(path).resolve(), int(number)


def _names(path: Path, number: int) -> str:
    """The names as that line has them, hashed or not."""
    try:
        line = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()[number - 1]
    except (OSError, IndexError) as error:
        raise CommandFailed(f"{path}: cannot be read again: {error}") from None
    names = line.split()[0]
    if any(character in names for character in _SEVERAL):
        raise CommandFailed(
            f"{path}:{number} is about several hosts, so none of them gets a key of its own",
            hint="give the host a line of its own there",
        )
    return names


def _append(path: Path, line: str) -> None:
    """In one write, so that nothing that others write at the same time is lost."""
    try:
        before = path.read_bytes()
        start = b"" if not before or before.endswith(b"\n") else b"\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, start + line.encode("utf-8", "surrogateescape") + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {error.strerror}") from None


def _remove(path: Path, numbers: Iterable[int]) -> None:
    """Whole or not at all: by another file that takes the place of this one."""
    unwanted = set(numbers)
    scratch = path.with_name(f".{path.name}.{token_hex(6)}")
    try:
        lines = path.read_bytes().split(b"\n")
        kept = [line for number, line in enumerate(lines, start=1) if number not in unwanted]
        mode = path.stat().st_mode & 0o777
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"\n".join(kept))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise CommandFailed(f"{path}: cannot be written: {error.strerror}") from None
