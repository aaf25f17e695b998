"""Lines of /proc as numbers. Whatever a node printed, only `NotKnown` is raised."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from phoenixctl.model.reading import Reading, unknown

T = TypeVar("T")

# USER_HZ: the unit of times in /proc, 100 per second on every architecture Linux is used on.
TICKS_PER_SECOND: Final = 100.0

Files: TypeAlias = Mapping[str, Sequence[str]]
"""Lines by the file's name below /proc."""

_DECIMAL: Final = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)


class NotKnown(Exception):
    """A value cannot be known; says why in a few words."""


def known(measure: Callable[[T], float], subject: T, *, at: float) -> Reading:
    """What `measure` finds in its subject, or unknown with the reason."""
    try:
        return Reading(measure(subject), at)
    except NotKnown as why:
        return unknown(str(why), at=at)


def whole(text: str) -> int:
    """A number without sign in at most 20 digits, as 64 bits need."""
    if len(text) <= 20 and text.isascii() and text.isdigit():
        return int(text)
    raise NotKnown("not a number where one was expected")


def decimal(text: str) -> float:
    if _DECIMAL.fullmatch(text):
        return float(text)
    raise NotKnown("not a number where one was expected")


def fields_of(files: Files, file: str, start: str) -> list[str]:
    """The words of the first line of `file` that begins with `start`."""
    for line in files.get(file, ()):
        if line.startswith(start) and (fields := line.split()):
            return fields
    raise NotKnown(f"no {start.strip() or 'line'} in /proc/{file}")


def field(fields: Sequence[str], index: int) -> int:
    if index >= len(fields):
        raise NotKnown("a line of /proc is cut off")
    return whole(fields[index])


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """What one /proc/<pid>/stat says; times in ticks, `started` since boot."""

    pid: int
    state: str
    session: int
    cpu: int
    threads: int
    started: int

    @property
    def alive(self) -> bool:
        return self.state not in ("Z", "X", "x")


def parse_stat(pid: int, text: str) -> ProcessStat:
    """One /proc/<pid>/stat. The name in brackets is the process's own choice: skipped whole."""
    fields = text.rpartition(") ")[2].split()
    if not text.startswith(f"{pid} (") or len(fields) < 20:
        raise NotKnown("its /proc/<pid>/stat is damaged")
    return ProcessStat(
        pid=pid,
        state=fields[0],
        session=whole(fields[3]),
        cpu=whole(fields[11]) + whole(fields[12]),
        threads=whole(fields[17]),
        started=whole(fields[19]),
    )
