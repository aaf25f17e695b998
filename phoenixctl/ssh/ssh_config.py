"""OpenSSH's client configuration: read once, asked for every host."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from phoenixctl.model.errors import ConfigError
from phoenixctl.ssh.patterns import matches_any

# Each of these may be given several times and adds up; of all others the first value counts.
_ADDING: Final = frozenset({"identityfile", "certificatefile"})
_UNSUPPORTED: Final = ("canonicalizehostname", "knownhostscommand", "pkcs11provider")
_DEPTH: Final = 16  # OpenSSH's own limit for nested Include


@dataclass(frozen=True, slots=True)
class _Line:
    keyword: str
    arguments: tuple[str, ...]
    place: str
    included: tuple[tuple[_Line, ...], ...] = ()


@dataclass
class SshConfig:
    """The files' lines in order; `warnings` says what was read and is not followed."""

    files: list[tuple[_Line, ...]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, paths: Sequence[Path], *, home: Path) -> SshConfig:
        """Read the files that exist, the first one winning. ConfigError names a broken line."""
        config = cls()
        for path in paths:
            if path.is_file():
                config.files.append(config._parse(path, home, depth=0))
        return config

    def lookup(self, host: str, *, user: str | None, local_user: str) -> Mapping[str, list[str]]:
        """What the files say about `host` as it was typed: lower-case keyword → values."""
        found = _Lookup(self, host, local_user, {"user": [user]} if user else {})
        for lines in self.files:
            found.follow(lines, active=True)
        return found.options

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def _parse(self, path: Path, home: Path, *, depth: int) -> tuple[_Line, ...]:
        if depth > _DEPTH:
            raise ConfigError(f"{path}: Include is nested more than {_DEPTH} deep")
        lines = []
        try:
            text = path.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        for number, raw in enumerate(text.splitlines(), start=1):
            stripped = raw.strip()
            if not stripped or stripped.startswith("#"):
                continue
            place = f"{path}:{number}"
            keyword, arguments = _split(stripped, place)
            included = (
                tuple(
                    self._parse(found, home, depth=depth + 1)
                    for pattern in arguments
                    for found in _glob(pattern, path.parent, home)
                )
                if keyword == "include"
                else ()
            )
            lines.append(_Line(keyword, arguments, place, included))
        return tuple(lines)


def _split(line: str, place: str) -> tuple[str, tuple[str, ...]]:
    """`Port = 22` → ("port", ("22",)); commands stay one argument with their quotes."""
    keyword, _, rest = re.sub(r"^(\w+)\s*=?\s*", r"\1 ", line).partition(" ")
    keyword = keyword.lower()
    if keyword in {"proxycommand", "remotecommand", "localcommand"}:
        return keyword, (rest,)
    try:
        return keyword, tuple(shlex.split(rest, comments=True))
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from error


def _glob(pattern: str, folder: Path, home: Path) -> list[Path]:
    """The files of an Include; relative ones are in ~/.ssh, or beside a system file."""
    path = Path(pattern)
    if pattern.startswith("~/"):
        path = home / pattern[2:]
    elif not path.is_absolute():
        path = (folder if folder.parts[:2] == ("/", "etc") else home / ".ssh") / pattern
    anchor = Path(path.anchor)
    return sorted(found for found in anchor.glob(str(path.relative_to(anchor))) if found.is_file())


@dataclass
class _Lookup:
    config: SshConfig
    host: str
    local_user: str
    options: dict[str, list[str]]

    def follow(self, lines: Sequence[_Line], *, active: bool) -> None:
        """Take what the lines say; `active` is whether the block around them matched."""
        outer = active
        for line in lines:
            if line.keyword == "host":
                active = outer and matches_any(self.host.lower(), line.arguments)
            elif line.keyword == "match":
                active = outer and self._matches(line)
            elif line.keyword == "include":
                for included in line.included:
                    self.follow(included, active=active)
            elif active:
                self._take(line)

    def _take(self, line: _Line) -> None:
        if not line.arguments:
            raise ConfigError(f"{line.place}: {line.keyword} has no value")
        if line.keyword in _UNSUPPORTED and line.arguments[0].lower() not in {"no", "none"}:
            self.config.warn(f"{line.place}: {line.keyword} is not supported and was ignored")
        elif line.keyword in _ADDING:
            self.options.setdefault(line.keyword, []).extend(line.arguments)
        else:
            self.options.setdefault(line.keyword, list(line.arguments))

    def _matches(self, line: _Line) -> bool:
        """Whether all conditions of a Match line hold."""
        words = list(line.arguments)
        holds = True
        while words:
            word = words.pop(0)
            name = word.lstrip("!").lower()
            if name in {"all", "canonical", "final"}:
                # Names are never canonicalised here, so there is no second pass to match.
                result = name == "all"
            elif not words:
                raise ConfigError(f"{line.place}: Match {name} has no pattern")
            else:
                known = self._condition(name, words.pop(0), line)
                if known is None:  # the block must not apply, negated or not
                    return False
                result = known
            holds = holds and result != word.startswith("!")
        return holds

    def _condition(self, name: str, pattern: str, line: _Line) -> bool | None:
        values = {
            "host": self.options.get("hostname", [self.host])[0],
            "originalhost": self.host,
            "user": self.options.get("user", [self.local_user])[0],
            "localuser": self.local_user,
            "tagged": self.options.get("tag", [""])[0],
        }
        if name in values:
            return matches_any(values[name].lower(), pattern.lower().split(","))
        why = "runs a command and was" if name == "exec" else "is not supported and was"
        self.config.warn(f"{line.place}: the block of `Match {name}` {why} left out")
        return None
