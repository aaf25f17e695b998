"""Folded names: `web[01-20]` stands for twenty, in the order they are written.

ClusterShell's NodeSet sorts what it unfolds. Here the order pairs a name with its address
(`db[2,1]` with `10.0.0.[7,5]`), so it must stay; a test holds both equal as sets.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_MOST: Final = 100_000  # names that one text may stand for
_PARTS: Final = re.compile(r"\[([^\[\]]*)\]|([^\[\]]+)|([\[\]])")
_RANGE: Final = re.compile(r"(\d{1,18})(?:-(\d{1,18})(?:/(\d{1,18}))?)?")
_COMMA: Final = re.compile(r",(?![^\[\]]*\])")


@dataclass(frozen=True, slots=True, init=False)
class Folded:
    """`text` as written and the `names` it stands for; ValueError says what cannot be unfolded."""

    text: str
    names: tuple[str, ...]

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "names", unfold(text))


def unfold(text: str) -> tuple[str, ...]:
    """The names in `web[01-03,7],db1`, in order: zero padding is kept, `[0-8/2]` counts by two."""
    names: list[str] = []
    for part in _COMMA.split(text):
        if not part.strip():
            raise ValueError(f"`{text}`: a name is missing beside a comma")
        names.extend(_unfold_one(part.strip(), room=_MOST - len(names)))
    return tuple(names)


def _unfold_one(text: str, *, room: int) -> Iterator[str]:
    choices: list[list[str]] = []
    count = 1
    for brackets, literal, stray in _PARTS.findall(text):
        if stray:
            raise ValueError(f"`{text}`: a bracket {stray} without its partner")
        choices.append([literal] if literal else _numbers(brackets, text, room=room))
        count *= len(choices[-1])
        if count > room:
            raise ValueError(f"`{text}` stands for more than {_MOST} names")
    return map("".join, itertools.product(*choices))


def _numbers(ranges: str, text: str, *, room: int) -> list[str]:
    numbers: list[str] = []
    for part in ranges.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise ValueError(
                f"`{text}`: `[{ranges}]` is not a range; write it like [1-20] or [01-20]"
            )
        first, last, step = match[1], match[2] or match[1], int(match[3] or 1)
        if int(last) < int(first) or step == 0:
            raise ValueError(
                f"`{text}`: `{part.strip()}` counts nothing; write the lower number first"
            )
        if (int(last) - int(first)) // step + len(numbers) >= room:
            raise ValueError(f"`{text}` stands for more than {_MOST} names")
        width = len(first) if first.startswith("0") else 1
        numbers.extend(f"{n:0{width}d}" for n in range(int(first), int(last) + 1, step))
    return numbers
