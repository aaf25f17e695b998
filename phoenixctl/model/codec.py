"""The model's data as JSON has it, and back: one form for state, journals and plan files.

Fields that have their default are left out, so that a field added later reads as its default in
what was written before. A member of a union of classes carries its class's name under `is`.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

T = TypeVar("T")

_Convert = Callable[[Any], Any]


def encode(value: Any) -> Any:
    """A dataclass of the model, or what its fields may hold, as JSON has it."""
    if value is None or isinstance(value, str | int | float):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, tuple | list | frozenset):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    kind: Any = type(value)
    return _encoder(kind)(value)


def decode(kind: type[T], data: Any) -> T:
    """The value that was encoded. ValueError names the class and field that do not fit."""
    converted: T = _decoder(typing.cast(Any, kind))(data)
    return converted


@cache
def _encoder(kind: Any) -> _Convert:
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"{kind.__name__} has no JSON form")
    hints = _hints(kind)
    fields = [
        (field.name, _default(field), _writer(hints[field.name]))
        for field in dataclasses.fields(kind)
    ]

    def convert(value: Any) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for name, default, write in fields:
            found = getattr(value, name)
            if found != default:
                written[name] = write(found)
        return written

    return convert


def _hints(kind: Any) -> dict[str, Any]:
    """The types of its fields, also of those that its module does not import to run."""
    return typing.get_type_hints(kind, {**_later(), **vars(sys.modules[kind.__module__])})


@cache
def _later() -> Mapping[str, Any]:
    """The names that `model.fleet` leaves to whoever needs them."""
    from phoenixctl.model import (
        alerting,
        aws,
        balancing,
        bootstrap,
        fleet,
        hooks,
        measuring,
        moving,
        routing,
        rules,
        s3,
    )

    own = (alerting, aws, balancing, bootstrap, fleet, hooks, measuring, moving, routing, rules, s3)
    return {name: found for module in own for name, found in vars(module).items()}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _writer(hint: Any) -> _Convert:
    """How a field is written: with its class's name where that is not the only one it may have."""
    arguments = typing.get_args(hint)
    if _in_union(hint):
        return _tagged
    if typing.get_origin(hint) is Mapping and _in_union(arguments[1]):
        return lambda value: {str(key): _tagged(item) for key, item in value.items()}
    return encode


def _tagged(value: Any) -> Any:
    encoded = encode(value)
    return {"is": type(value).__name__, **encoded} if isinstance(encoded, dict) else encoded


def _in_union(hint: Any) -> bool:
    """Whether the class cannot be told from the field alone."""
    return len([a for a in typing.get_args(hint) if dataclasses.is_dataclass(a)]) > 1


@cache
def _decoder(kind: Any) -> _Convert:
    origin = typing.get_origin(kind)
    arguments = typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if isinstance(origin, type) and issubclass(origin, tuple):
        item = _decoder(arguments[0])
        return lambda data: tuple([item(entry) for entry in _is(list, data, "a list")])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, value = _decoder(arguments[0]), _decoder(arguments[1])
        return lambda data: MappingProxyType(
            {key(k): value(v) for k, v in _is(dict, data, "a mapping").items()}
        )
    if hasattr(kind, "__supertype__"):
        return _decoder(kind.__supertype__)
    if dataclasses.is_dataclass(kind):
        return _fields(typing.cast(type[Any], kind))
    if kind is Any:
        return lambda data: data
    if issubclass(kind, Enum):
        return typing.cast(_Convert, kind)
    return _scalar(kind)


def _scalar(kind: type[Any]) -> _Convert:
    accepted = (int, float) if kind is float else (kind,)

    def convert(data: Any) -> Any:
        if type(data) not in accepted:
            raise ValueError(f"{data!r} is not of type {kind.__name__}")
        return kind(data)

    return convert


def _union(arguments: tuple[Any, ...]) -> _Convert:
    kinds = [a for a in arguments if a is not type(None)]
    optional = len(kinds) < len(arguments)
    by_name = {kind.__name__: _decoder(kind) for kind in kinds}
    only = next(iter(by_name.values())) if len(by_name) == 1 else None

    def convert(data: Any) -> Any:
        if data is None and optional:
            return None
        if only is not None:
            return only(data)
        fields = dict(_is(dict, data, "a mapping"))
        name = fields.pop("is", None)
        if name not in by_name:
            raise ValueError(f"{name!r} is none of {', '.join(by_name)}")
        return by_name[name](fields)

    return convert


def _fields(kind: type[Any]) -> _Convert:
    hints = _hints(kind)
    converters = {field.name: _decoder(hints[field.name]) for field in dataclasses.fields(kind)}

    def convert(data: Any) -> Any:
        values = {}
        for name, value in _is(dict, data, "a mapping").items():
            converter = converters.get(name)
            if converter is None:
                raise ValueError(f"{kind.__name__} has no field {name!r}")
            try:
                values[name] = converter(value)
            except (ValueError, TypeError) as error:
                raise ValueError(f"{kind.__name__}.{name}: {error}") from None
        try:
            return kind(**values)
        except TypeError as error:
            raise ValueError(f"{kind.__name__}: {error}") from None

    return convert


def _is(kind: type[T], data: Any, expected: str) -> T:
    if not isinstance(data, kind):
        raise ValueError(f"{data!r} is not {expected}")
    return data
