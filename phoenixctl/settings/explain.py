"""A validator's errors as problems with their places."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ValidationError

from phoenixctl.settings import shape
from phoenixctl.settings.document import Tree, find
from phoenixctl.settings.kinds import Expected
from phoenixctl.settings.places import KeyPath, Problem, nearest, shown
from phoenixctl.settings.scalars import Unreadable

_CONTAINERS: Final = {
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "dict_type": "a mapping of keys",
    "list_type": "a list",
}
# What stands there is never repeated; among authorized keys, a private one may be by mistake.
_PRIVATE: Final = frozenset(
    {"secrets", "env", "authorized_keys", "token", "password", "url", "url_from"}
)


def explain(error: ValidationError, tree: Tree, root: type[BaseModel]) -> list[Problem]:
    """One problem for each error, at the value, or at the key when that is what is wrong."""
    return [
        _problem(item, tree, root)
        for item in error.errors(include_url=False)
        if item["input"] is not Unreadable.VALUE
    ]


def _problem(item: Any, tree: Tree, root: type[BaseModel]) -> Problem:
    path: KeyPath = item["loc"]
    kind = item["type"]
    of_key = path[-1:] == ("[key]",)
    if of_key:
        path = path[:-1]
    written, key_place, depth = find(tree, path)
    if kind == "missing":
        return Problem(key_place, path, f"missing: {_description(root, path)}")
    if kind == "extra_forbidden":
        model = shape.model_at(root, path[:-1])
        known = shape.keys(model) if model else ()
        return Problem(key_place, path, f"unknown key{nearest(str(path[-1]), known)}")
    found = "" if _PRIVATE & set(path) else f", found {shown(item['input'])}"
    if kind in _CONTAINERS:
        what = f"expected {_CONTAINERS[kind]}{found}"
    else:
        cause = item.get("ctx", {}).get("error")
        what = f"expected {cause}{found}" if isinstance(cause, Expected) else str(cause)
    place = key_place if of_key or depth < len(path) else written.place
    return Problem(place, path, what)


def _description(root: type[BaseModel], path: KeyPath) -> str:
    model = shape.model_at(root, path[:-1])
    field = shape.keys(model).get(str(path[-1])) if model else None
    return (field.description if field else None) or "needed here"
