"""Where something is written, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from phoenixctl.model.errors import ConfigError

KeyPath: TypeAlias = tuple[str | int, ...]
HINT: Final = "correct the lines above, and look again: phoenixctl config check"
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_./-]+")
_LONGEST: Final = 60  # characters of a found value that an error repeats


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line and column (from 1) of a file; line 0: no file but a variable or a flag."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at a place, under a key path (which may be empty)."""

    place: Place
    path: KeyPath
    what: str

    def __str__(self) -> str:
        return ": ".join(filter(None, (str(self.place), dotted(self.path), self.what)))


def refuse(problems: Iterable[Problem], *, hint: str = HINT) -> None:
    """Raise ConfigError with one line for each problem, in the order of the lines; none: return."""
    ordered = sorted(problems, key=lambda p: (p.place, p.what))
    lines = dict.fromkeys(_one_line(str(problem)) for problem in ordered)
    if lines:
        raise ConfigError("\n".join(lines), hint=hint)


def _one_line(text: str) -> str:
    """Names in files that others wrote may hold what a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def dotted(path: Sequence[str | int]) -> str:
    """`agents.ingest.command[0]`; keys that would be misread are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            key = part if _PLAIN_KEY.fullmatch(part) else shown(part)
            text += f".{key}" if text else key
    return text


def shown(value: object) -> str:
    """A value as an error repeats it: short, on one line, with control characters escaped."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            return "true" if value else "false"
        case str():
            text = repr(value[: _LONGEST + 1])
            text = f"{text[:_LONGEST]}…" if len(text) > _LONGEST + 2 else text
            return f'"{text[1:-1]}"' if text.startswith("'") and text.endswith("'") else text
        case _:
            return str(getattr(value, "text", value))[:_LONGEST]


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean `replicas`?`, or what is known when nothing is near, or nothing."""
    import difflib  # only errors need it

    options = list(known)
    close = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    if not options:
        return ""
    few = ", ".join(options[:12])
    return f"; known: {few}{', …' if len(options) > 12 else ''}"
