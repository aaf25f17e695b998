"""Short forms of what is written about places: `gpu=a100` for {key: gpu, value: a100}."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from phoenixctl.settings.kinds import Lenient

_TAINT: Final = r"(?s)([^=:]*)(?:=([^:]*))?(?::(.*))?"
_TOLERATION: Final = r"(?s)([^=]*)(?:=(.*))?"


def _read_taint(value: object) -> object:
    return _parts(value, _TAINT, ("key", "value", "effect"))


def _read_toleration(value: object) -> object:
    return _parts(value, _TOLERATION, ("key", "value"))


def _parts(value: object, pattern: str, keys: tuple[str, ...]) -> object:
    match = re.fullmatch(pattern, value) if isinstance(value, str) else None
    if match is None:
        return value
    return {key: part for key, part in zip(keys, match.groups(), strict=True) if part is not None}


def _read_agents(value: object) -> object:
    """A spec's name, or several."""
    if isinstance(value, str):
        return {"specs": [value]}
    return {"specs": value} if isinstance(value, list) else value


def _under(key: str) -> Callable[[object], object]:
    return lambda value: {key: value} if isinstance(value, str) else value


def _read_cap(value: object) -> object:
    return {"at": value} if isinstance(value, str | int | float) else value


def _read_values(value: object) -> object:
    return [value] if isinstance(value, str | int | float) else value


_TEXT: Final = {"type": "string"}
_SCALAR: Final = {"type": ["string", "number", "boolean"]}
TAINT_ALONE: Final = Lenient(_read_taint, {**_TEXT, "examples": ["gpu=a100:keep_off"]})
TOLERATION_ALONE: Final = Lenient(_read_toleration, {**_TEXT, "examples": ["gpu=a100"]})
AGENTS_ALONE: Final = Lenient(
    _read_agents, {"type": ["string", "array"], "items": _TEXT, "examples": ["cache"]}
)
RULE_ALONE: Final = Lenient(_under("agents"), _TEXT)
LABEL_ALONE: Final = Lenient(_under("across"), _TEXT)
CAP_ALONE: Final = Lenient(_read_cap, {"type": ["string", "number"], "examples": ["80%"]})
VALUES: Final = Lenient(_read_values, _SCALAR)
