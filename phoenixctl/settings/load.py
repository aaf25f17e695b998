"""From the file to a Fleet: read, override, validate, unfold, check; or say all that is wrong."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phoenixctl.model.errors import ConfigError
from phoenixctl.model.fleet import NOTHING, Fleet, SecretRef
from phoenixctl.settings.anchor import anchored
from phoenixctl.settings.files import Surroundings, read_file
from phoenixctl.settings.places import KeyPath, Place, Problem, refuse
from phoenixctl.settings.secret import read_secret

if TYPE_CHECKING:
    from phoenixctl.settings.document import Mapping as Tree


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """`fleet` has absolute paths, `as_written` those of the file (relative to it).

    `relies_on`: digests of the other files that were read for it, by path; None: nodes came from
    other files, and which ones decided cannot be told.
    """

    fleet: Fleet
    path: Path
    as_written: Fleet = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    tree: Tree = field(repr=False)  # what was written, overrides included
    relies_on: Mapping[Path, str] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the effective content, in hex: the same wherever the file lies."""
        import hashlib
        import json

        from phoenixctl.settings.plainly import fleet_as_written

        content = json.dumps(fleet_as_written(self.as_written), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def secret(self, ref: SecretRef) -> str:
        """The value a spec's secret refers to; ConfigError when it cannot be had."""
        return read_secret(ref, self.path.parent, self.environ)


def load(
    path: Path, *, environ: Mapping[str, str], overrides: Mapping[str, str] = NOTHING
) -> LoadedConfig:
    """The configuration at `path` with overrides of the environment and, above them, of flags.

    `overrides`: `{"ssh.parallel": "20"}`. ConfigError names every problem with its place.
    """
    with _without_collecting():
        path = path.absolute()
        try:
            data = read_file(path)
        except ValueError as error:
            raise ConfigError(str(error), hint="phoenixctl init writes a new one") from None
        surroundings = Surroundings(path.parent, environ)
        tree, fleet, imports = _read(data, _shown(path), surroundings, overrides)
        return LoadedConfig(
            fleet=anchored(fleet, surroundings),
            path=path,
            as_written=fleet,
            environ=environ,
            tree=tree,
            relies_on=None if imports else surroundings.digests,
        )


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Imports and models make only objects that stay: looking for garbage there is in vain."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # elsewhere, or the working folder was removed
        return str(path)


def _read(
    data: bytes, source: str, surroundings: Surroundings, overrides: Mapping[str, str]
) -> tuple[Tree, Fleet, bool]:
    """The tree, the fleet, and whether nodes came from other files."""
    # pydantic and yaml are imported here, not above: `--help` must not pay for them.
    from pydantic import ValidationError

    from phoenixctl.settings import document
    from phoenixctl.settings.assemble import assemble
    from phoenixctl.settings.explain import explain
    from phoenixctl.settings.models import Root
    from phoenixctl.settings.overrides import from_environment, from_flags, overlay

    problems: list[Problem] = []
    tree = document.read_tree(data, source, problems)
    if not isinstance(tree, document.Mapping):
        found = "an empty file" if tree is None else "something else"
        what = f"expected a mapping with the key fleet, found {found}"
        refuse([*problems, Problem(Place(source, 1, 1), (), what)])
        raise AssertionError("refuse raises when there is a problem")
    assignments = [*from_environment(surroundings.environ), *from_flags(overrides)]
    overlay(tree, Root, assignments, problems)
    try:
        root = Root.model_validate(document.plain(tree))
    except ValidationError as error:
        refuse([*problems, *explain(error, tree, Root)])
        raise AssertionError("a validation error always has a problem") from error
    refuse(problems)

    def report(path: KeyPath, what: str) -> None:
        written, key_place, depth = document.find(tree, path)
        place = written.place if depth == len(path) and depth else key_place
        if isinstance(written, document.Mapping):  # a mapping's own place is its first key
            place = key_place
        problems.append(Problem(place, path, what))

    fleet = assemble(root, surroundings, report)
    refuse(problems)
    return tree, fleet, any(section.from_ is not None for section in root.nodes)
