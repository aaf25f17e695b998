"""The JSON Schema of `phoenixctl.yaml`, for editors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel

_USES_ONE: Final = r"\$\{[a-z][a-z0-9_]*\}"


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of what `load` accepts, units in strings included.

    What holds between sections (pools that exist, ports that collide) only `load` knows.
    """
    from phoenixctl.settings.models import Root

    return _schema_of(Root, "phoenixctl.yaml")


def playbook_schema() -> dict[str, Any]:
    """JSON Schema of a playbook. A parameter, `${name}`, may stand for any value."""
    from phoenixctl.settings.playbook_sections import PlaybookRoot

    schema: dict[str, Any] = _with_parameters(_schema_of(PlaybookRoot, "phoenixctl playbook"))
    return schema


def _schema_of(root: type[BaseModel], title: str) -> dict[str, Any]:
    schema = _tidy(root.model_json_schema(by_alias=True))
    _write_defaults(schema, root)
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": title, **schema}


def _with_parameters(part: Any) -> Any:
    """Every scalar may also be a text in which a parameter is used."""
    if isinstance(part, list):
        return [_with_parameters(item) for item in part]
    if not isinstance(part, dict):
        return part
    below = {key: _with_parameters(value) for key, value in part.items()}
    if part.get("type") in ("integer", "number", "boolean") or "enum" in part or "pattern" in part:
        return {"anyOf": [below, {"type": "string", "pattern": _USES_ONE}]}
    return below


def _tidy(part: Any, *, names: bool = False) -> Any:
    """Only what says something; `names`: the keys of this part are names, not words of a schema.

    Titles made from field names repeat them. Of keys, pydantic says which patterns there are,
    but not that there are no others.
    """
    if isinstance(part, list):
        return [_tidy(item) for item in part]
    if not isinstance(part, dict):
        return part
    tidy = {
        key: _tidy(value, names=key in ("properties", "$defs") and not names)
        for key, value in part.items()
        if names or key not in ("title", "propertyNames")
    }
    if "patternProperties" in tidy and not names:
        tidy["additionalProperties"] = False
    return tidy


def _write_defaults(schema: dict[str, Any], root: type[BaseModel]) -> None:
    """Defaults with their units, as they would be written: `30s`, not 30.0."""
    from phoenixctl.settings import plainly, shape, values

    writers: dict[object, Callable[[Any], object]] = {
        get_args(kind)[1]: write
        for kind, write in (
            (values.Duration, plainly.duration),
            (values.DurationOrNought, plainly.duration),
            (values.Size, plainly.size),
            (values.Ratio, plainly.ratio),
            (values.Share, plainly.share),
        )
    }
    for model in shape.models(root):
        part = schema if model is root else schema["$defs"][model.__name__]
        for key, field in shape.keys(model).items():
            write = next((writers[m] for m in field.metadata if m in writers), None)
            if write is not None and not field.is_required():
                part["properties"][key]["default"] = write(field.default)
