"""What kinds of scalar are made of: how one is read, what it expects, its JSON Schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

Json: TypeAlias = Mapping[str, Any]


class Expected(ValueError):
    """What was expected; the explanation adds what was found."""


@dataclass(frozen=True, slots=True, eq=False)  # a Union hashes its members
class Written:
    """How one kind of scalar is read from what the file holds.

    `read` raises Expected (what it wants) or ValueError (what is wrong, in full).
    """

    read: Callable[[object], object]
    json: Json

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return dict(self.json)


@dataclass(frozen=True, slots=True, eq=False)  # a Union hashes its members
class Lenient:
    """Reshapes what is written before it is validated: `prepare` gives the canonical form."""

    prepare: Callable[[object], object]
    also: Json | None = None  # the JSON Schema of the other accepted form

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.prepare, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        canonical = handler(schema)
        return canonical if self.also is None else {"anyOf": [canonical, dict(self.also)]}


def text(expected: str, pattern: str, check: Callable[[str], object] = str) -> Written:
    def read(value: object) -> object:
        if isinstance(value, str) and re.fullmatch(pattern, value):  # compiled when first needed
            return check(value)
        raise Expected(expected if isinstance(value, str | None) else f"{expected}, in quotes")

    return Written(read, {"type": "string", "pattern": f"^(?:{pattern})$", "description": expected})


def quantity(
    expected: str,
    parse: Callable[[str], float],
    pattern: str,
    *,
    unitless: bool = True,
    positive: bool = True,
    most: float = math.inf,
) -> Written:
    def read(value: object) -> object:
        number = _parsed(value)
        if not math.isfinite(number) or number < 0 or (positive and number == 0) or number > most:
            raise Expected(expected)
        return number

    def _parsed(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Expected(expected)
        if isinstance(value, str):
            try:
                return parse(value)
            except (ValueError, OverflowError):
                raise Expected(expected) from None
        if not unitless:
            raise Expected(f"{expected}, with its unit")
        return value

    accepted: list[Json] = [{"type": "string", "pattern": pattern}]
    if unitless:
        accepted.append({"type": "number", ("exclusiveMinimum" if positive else "minimum"): 0})
    return Written(read, {"anyOf": accepted, "description": expected})


def whole(least: int, most: int) -> Written:
    expected = f"a whole number from {least} to {most}"

    def read(value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return int(value)
        raise Expected(expected)

    return Written(
        read, {"type": "integer", "minimum": least, "maximum": most, "description": expected}
    )


def choice(*words: str, make: Callable[[str], object] = str) -> Written:
    def read(value: object) -> object:
        if isinstance(value, str) and value in words:
            return make(value)
        raise Expected(f"one of {', '.join(words)}")

    return Written(read, {"enum": list(words)})
