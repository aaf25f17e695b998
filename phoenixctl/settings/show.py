"""The configuration in effect, and where each of its values comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from phoenixctl.settings.load import LoadedConfig
from phoenixctl.settings.places import KeyPath, dotted
from phoenixctl.settings.plainly import fleet_as_written


@dataclass(frozen=True, slots=True)
class Origin:
    """`kind`: flag, environment, file or default; `place`: the flag, variable or line, if any."""

    kind: str
    place: str = ""


def effective(loaded: LoadedConfig) -> dict[str, Any]:
    """All values in effect, defaults included, as dict, list and scalars.

    Written as YAML and read again it is the same fleet: nodes are listed one by one.
    """
    return fleet_as_written(loaded.fleet)


def origins(loaded: LoadedConfig) -> dict[str, Origin]:
    """Where every value outside `nodes` comes from, by its dotted path (`ssh.parallel`)."""
    sections = {k: v for k, v in effective(loaded).items() if k != "nodes"}
    return {dotted(path): _origin(loaded, path) for path in _leaves(sections, ())}


def to_yaml(data: object) -> str:
    """YAML that `load` reads back as the same data: what would be misread is quoted."""
    import yaml

    from phoenixctl.settings.scalars import read_plain

    class Dumper(yaml.SafeDumper):
        """Shares nothing: an alias in a configuration only puzzles its reader."""

        def ignore_aliases(self, _data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        try:
            clear = value.isprintable() and isinstance(read_plain(value), str)
        except ValueError:
            clear = False
        style = None if clear else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    dumped: str = yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    return dumped


def _leaves(value: object, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield path


def _origin(loaded: LoadedConfig, path: KeyPath) -> Origin:
    from phoenixctl.settings.document import find

    _, key_place, depth = find(loaded.tree, path)
    if depth < len(path):
        return Origin("default")
    source = key_place.source
    if source == loaded.tree.place.source:
        return Origin("file", str(key_place))
    return Origin("flag" if source.startswith("--set ") else "environment", source)
