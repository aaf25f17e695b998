"""What the models allow at a key path: for errors, overrides and the reference."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from phoenixctl.settings.later import Later
from phoenixctl.settings.places import KeyPath


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the key that is written."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def below(annotation: Any, part: str | int) -> Any:
    """The annotation of a key or an item under one of a mapping or list; None: nothing may be."""
    bare = core(annotation)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        field = keys(bare).get(str(part))
        return None if field is None else field.annotation
    origin, arguments = get_origin(bare), get_args(bare)
    if origin is dict:
        return arguments[1]
    return arguments[0] if origin is list else None


def core(annotation: Any) -> Any:
    """Without Annotated and `| None`: a model, dict[…], list[…] or the type of a scalar."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *about = get_args(annotation)
            later = next((mark for mark in about if isinstance(mark, Later)), None)
            if later is not None:
                return later.model()
        elif origin in (Union, UnionType):
            annotation = next(a for a in get_args(annotation) if a is not type(None))
        else:
            return annotation


def holds_keys(annotation: Any) -> bool:
    """Whether there may be a key or an item under it."""
    bare = core(annotation)
    model = isinstance(bare, type) and issubclass(bare, BaseModel)
    return model or get_origin(bare) in (dict, list)


def model_at(root: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """The model that describes the mapping at `path`, if one does."""
    annotation: Any = root
    for part in path:
        annotation = below(annotation, part)
        if annotation is None:
            return None
    bare = core(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def models(root: type[BaseModel]) -> list[type[BaseModel]]:
    """`root` and every model that can stand below it, each once."""
    found = [root]
    for model in found:
        for field in model.model_fields.values():
            inner = core(field.annotation)
            while get_origin(inner) in (list, dict):
                inner = core(get_args(inner)[-1])
            if isinstance(inner, type) and issubclass(inner, BaseModel) and inner not in found:
                found.append(inner)
    return found
