"""`${name}` in the values of a playbook: nothing else is ever put in, and nothing is computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from phoenixctl.settings import document
from phoenixctl.settings.document import Scalar, Tree
from phoenixctl.settings.places import KeyPath, Problem, nearest
from phoenixctl.settings.scalars import Unreadable, read_plain

_USE: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_ONLY: Final = re.compile(r"\$\{[^}]*\}")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


def put_in(
    tree: Tree, values: Mapping[str, str], problems: list[Problem], *, at: KeyPath = ()
) -> None:
    """Put the values in for `${name}` everywhere below `tree`; `$${` stands for `${`. `at` is
    where the tree is.

    What had no quotes, or is nothing but one `${name}`, is read as if it had been written there, as
    a number perhaps; everything else stays text. A name that there is not
    is a problem at its place.
    """
    found = {id(scalar): (scalar, path) for scalar, path in _scalars(tree, at)}  # aliases: once
    for scalar, path in found.values():
        if "${" in scalar.text:
            _put_into(scalar, path, values, problems)


def _put_into(
    scalar: Scalar, path: KeyPath, values: Mapping[str, str], problems: list[Problem]
) -> None:
    def report(what: str) -> None:
        problems.append(Problem(scalar.place, path, what))
        scalar.value = Unreadable.VALUE

    written = scalar.text
    scalar.text = _USE.sub(_replacing(values, report), written)
    if scalar.value is Unreadable.VALUE:
        return
    scalar.value = scalar.text
    if scalar.plain or _ONLY.fullmatch(written):
        try:
            scalar.value = read_plain(scalar.text)
        except ValueError as error:
            if scalar.plain:
                report(str(error))


def _replacing(
    values: Mapping[str, str], report: Callable[[str], None]
) -> Callable[[re.Match[str]], str]:
    def replace(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "${"
        if not found[0].endswith("}"):
            report("`${` without its `}`; $${ stands for ${ itself")
        elif not _NAME.fullmatch(name):
            report(f"${{{name}}}: only the name of a parameter may stand there")
        elif name not in values:
            report(f"no parameter `{name}`{nearest(name, values)}")
        return values.get(name, "")

    return replace


def _scalars(tree: Tree, path: KeyPath) -> list[tuple[Scalar, KeyPath]]:
    match tree:
        case Scalar():
            return [(tree, path)]
        case document.Mapping():
            below = [(entry.value, (*path, key)) for key, entry in tree.entries.items()]
        case document.Sequence():
            below = [(item, (*path, number)) for number, item in enumerate(tree.items)]
    return [found for value, where in below for found in _scalars(value, where)]
