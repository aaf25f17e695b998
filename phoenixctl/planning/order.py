"""The order of names that people expect: web-2 before web-10."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar

V = TypeVar("V")

_NUMBER: Final = re.compile(r"([0-9]+)")

Rank: TypeAlias = tuple[Any, ...]


def by_name(name: str) -> Rank:
    """A key to sort by: numbers in a name count as numbers. Different names never tie."""
    parts = _NUMBER.split(name)
    parts[1::2] = [part.rjust(20, "0") for part in parts[1::2]]
    return (*parts, name)


def sorted_names(names: Iterable[str]) -> list[str]:
    return sorted(names, key=by_name)


def in_order(entries: Mapping[Any, V]) -> Mapping[Any, V]:
    """The same mapping in the order of its names, whatever order it was built in."""
    return MappingProxyType({name: entries[name] for name in sorted(entries, key=by_name)})
