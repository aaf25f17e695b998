"""known_hosts files: parsed once into an index, asked by name."""

from __future__ import annotations

import hmac
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from phoenixctl.model.errors import ConfigError
from phoenixctl.ssh.patterns import matches_any


class Marker(StrEnum):
    KEY = ""
    AUTHORITY = "@cert-authority"
    REVOKED = "@revoked"


VOUCHED: Final = "as recorded when it was made"  # in the place of a file and line


@dataclass(frozen=True, slots=True)
class Entry:
    """One line's key: its type, its data as on the wire, and where it stands (`file:line`)."""

    marker: Marker
    type: str
    key: bytes
    place: str


@dataclass
class KnownHosts:
    """An index over several files; `problems` holds the lines that could not be read."""

    files: tuple[Path, ...] = ()
    vouched: bool = False  # made of keys that the host's provider vouches for
    problems: list[str] = field(default_factory=list)
    _exact: dict[str, list[Entry]] = field(default_factory=dict)
    _hashed: list[tuple[bytes, bytes, Entry]] = field(default_factory=list)
    _patterns: list[tuple[list[str], Entry]] = field(default_factory=list)
    _found: dict[str, tuple[Entry, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, files: Sequence[Path]) -> KnownHosts:
        """Index the files that exist; a file that cannot be read is a problem, not an error."""
        index = cls(tuple(files))
        for path in files:
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                continue
            except OSError as error:
                index.problems.append(f"{path}: cannot be read: {error.strerror}")
                continue
            index._add(text, str(path))
        return index

    @classmethod
    def of(cls, keys: Sequence[str]) -> KnownHosts:
        """Only these keys (`ssh-ed25519 AAAA…`), whatever the host's name."""
        index = cls(vouched=True)
        for key in keys:
            try:
                index._index(*_parsed(f"* {key}", VOUCHED))
            except (ValueError, Base64Error) as problem:
                index.problems.append(f"a recorded host key cannot be read: {problem}")
        return index

    def revoke(self, path: Path) -> None:
        """Revoke the keys of a RevokedHostKeys file for every host.

        ConfigError when it cannot be followed: to go on without it would be to trust its keys.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{path}: RevokedHostKeys cannot be read: {error.strerror}"
            ) from error
        if data.startswith(b"SSHKRL\n\0"):
            raise ConfigError(
                f"{path}: RevokedHostKeys in the binary format (KRL) is not supported",
                hint="write the revoked public keys into it, one per line",
            )
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                try:
                    self._index(*_parsed(f"{Marker.REVOKED} * {line}", f"{path}:{number}"))
                except (ValueError, Base64Error) as problem:
                    raise ConfigError(f"{path}:{number}: {problem}") from problem

    def find(self, name: str) -> tuple[Entry, ...]:
        """All entries for a host name, or for `[name]:port`."""
        name = name.lower()
        if (known := self._found.get(name)) is None:
            known = self._found[name] = tuple(self._search(name))
        return known

    def _search(self, name: str) -> Iterable[Entry]:
        yield from self._exact.get(name, ())
        for patterns, entry in self._patterns:
            if matches_any(name, patterns):
                yield entry
        yield from self._unhashed(name)

    def _unhashed(self, name: str) -> list[Entry]:
        """A hash stands for one name only: what has matched is not tried for the next one."""
        data, digest = name.encode(), hmac.digest
        found: list[tuple[bytes, bytes, Entry]] = []
        rest: list[tuple[bytes, bytes, Entry]] = []
        for hashed in self._hashed:
            matched = digest(hashed[0], data, "sha1") == hashed[1]
            (found if matched else rest).append(hashed)
        self._hashed = rest
        return [entry for _, _, entry in found]

    def _add(self, text: str, path: str) -> None:
        for number, line in enumerate(text.splitlines(), start=1):
            if not line or line.isspace() or line.lstrip().startswith("#"):
                continue
            place = f"{path}:{number}"
            try:
                names, entry = _parsed(line, place)
                self._index(names, entry)
            except (ValueError, Base64Error) as problem:
                self.problems.append(f"{place}: {problem}")

    def _index(self, names: str, entry: Entry) -> None:
        if names.startswith("|"):
            salt, expected = _hash_parts(names)
            self._hashed.append((salt, expected, entry))
        elif any(character in names for character in "*?!"):
            self._patterns.append((names.lower().split(","), entry))
        else:
            for name in names.lower().split(","):
                self._exact.setdefault(name, []).append(entry)


def _parsed(line: str, place: str) -> tuple[str, Entry]:
    words = line.split()
    marker = Marker(words.pop(0)) if words[0].startswith("@") else Marker.KEY
    if len(words) < 3:
        raise ValueError("a host, a key type and a key were expected")
    names, kind, text = words[:3]
    key = a2b_base64(text.encode("ascii"), strict_mode=True)
    # The data begins with its own type: a line that was cut or pasted together shows here.
    if key[4 : 4 + int.from_bytes(key[:4], "big")] != kind.encode():
        raise ValueError(f"the key is not of type {kind}")
    return names, Entry(marker, kind, key, place)


def _hash_parts(names: str) -> tuple[bytes, bytes]:
    parts = names.split("|")
    if len(parts) != 4 or parts[1] != "1":
        raise ValueError("this way of hashing host names is not known")
    return a2b_base64(parts[2].encode(), strict_mode=True), a2b_base64(
        parts[3].encode(), strict_mode=True
    )
