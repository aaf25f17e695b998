"""Values of the environment and of flags, laid over the file's tree before it is validated."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_origin

from pydantic import BaseModel

from phoenixctl.settings import document, shape
from phoenixctl.settings.places import KeyPath, Place, Problem, nearest
from phoenixctl.settings.scalars import Plain, Unreadable, read_plain

PREFIX: Final = "PHOENIXCTL_"
_BETWEEN: Final = "__"
_INDEX: Final = re.compile(r"\[(\d{1,6})\]")


@dataclass(frozen=True, slots=True)
class Assignment:
    """`parts` lead to the value; `same` says whether a key of the file is the one meant."""

    place: Place
    parts: tuple[str, ...]
    text: str
    same: Callable[[str, str], bool]


def from_environment(environ: Mapping[str, str]) -> Iterator[Assignment]:
    """`PHOENIXCTL_SSH__PARALLEL=20` is `ssh.parallel: 20`.

    Levels are parted by two underscores; case does not matter, and an underscore also stands for
    a hyphen or dot of a name. Variables without two underscores are not ours to read.
    """
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and _BETWEEN in name:
            parts = tuple(name.removeprefix(PREFIX).split(_BETWEEN))
            yield Assignment(Place(name), parts, text, _same_variable)


def from_flags(overrides: Mapping[str, str]) -> Iterator[Assignment]:
    """`ssh.parallel` → `20`, as `--set ssh.parallel=20` and `nodes[0].port` say it."""
    for path, text in overrides.items():
        parts = tuple(_INDEX.sub(r".\1", path).split("."))
        yield Assignment(Place(f"--set {path}"), parts, text, str.__eq__)


def overlay(
    tree: document.Mapping,
    root: type[BaseModel],
    assignments: Sequence[Assignment],
    problems: list[Problem],
) -> None:
    """Set each assignment in the tree, later ones over earlier; unknown keys become problems."""
    for assignment in assignments:
        path = _resolve(tree, root, assignment, problems)
        if path:
            value = _value(assignment, path, problems)
            if value is not None:
                _set(tree, path, value, assignment, problems)


def _same_variable(key: str, part: str) -> bool:
    return re.sub(r"[-./]", "_", key).upper() == part.upper()


def _resolve(
    tree: document.Tree, root: Any, assignment: Assignment, problems: list[Problem]
) -> KeyPath:
    """The path in the spelling of the models and the file; empty: a problem was found."""
    path: list[str | int] = []
    annotation, parts = root, list(assignment.parts)
    while parts:
        part = parts.pop(0)
        bare = shape.core(annotation)
        here, _, depth = document.find(tree, tuple(path))
        written = here if depth == len(path) else None
        known: list[str] = []
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            known = list(shape.keys(bare))
            key: str | int | None = next((k for k in known if assignment.same(k, part)), None)
        elif get_origin(bare) is dict:
            if not shape.holds_keys(shape.below(annotation, "")):
                part, parts = ".".join([part, *parts]), []  # a label's name may have dots
            key = _entry(written, part, assignment)
        elif get_origin(bare) is list and part.isdigit() and _has(written, int(part)):
            key = int(part)
        else:
            key = None
        if key is None:
            what = f"no such key{nearest(part.lower(), known)}"
            problems.append(Problem(assignment.place, tuple(path), f"`{part}`: {what}"))
            return ()
        path.append(key)
        annotation = shape.below(annotation, key)
    return tuple(path)


def _has(tree: document.Tree | None, index: int) -> bool:
    return isinstance(tree, document.Sequence) and index < len(tree.items)


def _entry(tree: document.Tree | None, part: str, assignment: Assignment) -> str:
    if isinstance(tree, document.Mapping):
        for key in tree.entries:
            if assignment.same(key, part):
                return key
    return part


def _value(assignment: Assignment, path: KeyPath, problems: list[Problem]) -> document.Tree | None:
    """A list, mapping or quoted text as in the file; everything else is one plain scalar."""
    text = assignment.text
    if text[:1] in ("[", "{", '"', "'"):
        return document.read_tree(text, str(assignment.place), problems)
    value: Plain | Unreadable
    try:
        value = read_plain(text)
    except ValueError as error:
        problems.append(Problem(assignment.place, path, str(error)))
        value = Unreadable.VALUE
    return document.Scalar(assignment.place, text, True, value)


def _set(
    tree: document.Mapping,
    path: KeyPath,
    value: document.Tree,
    assignment: Assignment,
    problems: list[Problem],
) -> None:
    container: document.Tree = tree
    for part in path[:-1]:
        container = _step(container, part, assignment.place)
    last = path[-1]
    if isinstance(container, document.Mapping):
        container.entries[str(last)] = document.Entry(assignment.place, value)
    elif isinstance(container, document.Sequence) and isinstance(last, int):
        container.items[last] = value
    else:
        what = f"cannot be set inside the value at {container.place}"
        problems.append(Problem(assignment.place, path, what))


def _step(container: document.Tree, part: str | int, place: Place) -> document.Tree:
    if isinstance(container, document.Sequence) and isinstance(part, int):
        return container.items[part]
    if not isinstance(container, document.Mapping):
        return container
    entry = container.entries.get(str(part))
    if entry is None or (isinstance(entry.value, document.Scalar) and entry.value.value is None):
        entry = document.Entry(place, document.Mapping(place))
        container.entries[str(part)] = entry
    return entry.value
