"""Ansible inventories in their two notations, and the variables kept in folders beside them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

from phoenixctl.model.errors import ConfigError
from phoenixctl.settings.document import Mapping, Scalar, Tree, read_tree
from phoenixctl.settings.files import read_file
from phoenixctl.settings.inventory import Inventory, Variables

_YAML: Final = (".yaml", ".yml", ".json")
_SECTION: Final = re.compile(r"\[([^\[\]:]+)(?::([a-z]+))?\]\s*(?:[#;].*)?")
_MOST_GROUPS_IN: Final = 64  # levels of children


def load_inventory(path: Path) -> Inventory:
    """The inventory at `path`, with group_vars/ and host_vars/; ValueError says what is wrong."""
    data = read_file(path)
    if data.startswith(b"#!"):
        raise ValueError(f"{path} is a program; write its output to a file and name that")
    inventory = Inventory()
    if path.suffix.lower() in _YAML:
        _read_yaml(data, path, inventory)
    else:
        _read_ini(data.decode("utf-8", "replace"), path, inventory)
    for name, group in inventory.groups.items():
        group.outer_variables = _folder_variables(path.parent / "group_vars", name)
    for host, variables in inventory.hosts.items():
        variables.update(_folder_variables(path.parent / "host_vars", host))
    return inventory


def _read_ini(text: str, path: Path, inventory: Inventory) -> None:
    group, kind = "ungrouped", ""
    inventory.group("all")
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        section = _SECTION.fullmatch(line)
        try:
            if section:
                group, kind = section[1].strip(), section[2] or ""
                inventory.group(group)
                if kind not in ("", "children", "vars"):
                    raise ValueError(f"section {line} is not known to Ansible")
            else:
                _ini_line(line, group, kind, inventory)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: {error}") from None


def _ini_line(line: str, group: str, kind: str, inventory: Inventory) -> None:
    if kind == "vars":
        name, equals, value = line.partition("=")
        if not equals:
            raise ValueError("expected name=value")
        inventory.group(group).variables[name.strip()] = _unquoted(value.strip())
        return
    words = shlex.split(line, comments=True)
    if not words:
        return
    if kind == "children":
        inventory.group(group).children[words[0]] = None
        inventory.group(words[0])
        return
    settings = dict(word.partition("=")[::2] for word in words[1:])
    inventory.add(group, words[0], settings)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _read_yaml(data: bytes, path: Path, inventory: Inventory) -> None:
    tree = _tree(data, path)
    inventory.group("all")
    if tree is None:
        return
    if not isinstance(tree, Mapping):
        raise ValueError(f"{tree.place}: expected a mapping of groups")
    for name, entry in tree.entries.items():
        _yaml_group(name, entry.value, inventory, depth=0)


def _yaml_group(name: str, tree: Tree, inventory: Inventory, *, depth: int) -> None:
    group = inventory.group(name)
    if depth > _MOST_GROUPS_IN:
        raise ValueError(f"{tree.place}: groups nested deeper than {_MOST_GROUPS_IN}")
    group.variables.update(_variables(_part(tree, "vars")))
    hosts, children = _part(tree, "hosts"), _part(tree, "children")
    for pattern, entry in hosts.entries.items() if hosts else ():
        inventory.add(name, pattern, _variables(entry.value))
    for child, entry in children.entries.items() if children else ():
        group.children[child] = None
        _yaml_group(child, entry.value, inventory, depth=depth + 1)


def _part(tree: Tree, key: str) -> Mapping | None:
    """The mapping under a key of a group, whose value may be empty."""
    if isinstance(tree, Scalar) and not tree.text:
        return None
    if not isinstance(tree, Mapping):
        raise ValueError(f"{tree.place}: expected a group's hosts, children or vars")
    entry = tree.entries.get(key)
    if entry is None or (isinstance(entry.value, Scalar) and not entry.value.text):
        return None
    if not isinstance(entry.value, Mapping):
        raise ValueError(f"{entry.value.place}: expected a mapping under {key}")
    return entry.value


def _variables(tree: Tree | None) -> Variables:
    """The scalars; lists and mappings say nothing about how to log in."""
    if not isinstance(tree, Mapping):
        return {}
    return {k: e.value.text for k, e in tree.entries.items() if isinstance(e.value, Scalar)}


def _folder_variables(folder: Path, name: str) -> Variables:
    """Of `name`, `name.yml` and the files in a folder `name/`, as Ansible finds them."""
    if "/" in name or name in (".", "..") or not folder.is_dir():
        return {}
    found: Variables = {}
    for suffix in ("", ".yaml", ".yml", ".json"):
        place = folder / f"{name}{suffix}"
        inside = sorted(place.iterdir()) if place.is_dir() else [place]
        for file in inside:
            if file.is_file() and not file.name.startswith("."):
                found.update(_file_variables(file))
    return found


def _file_variables(path: Path) -> Variables:
    data = read_file(path)
    if data.startswith(b"$ANSIBLE_VAULT"):  # encrypted; what it sets is not about logging in
        return {}
    return _variables(_tree(data, path))


def _tree(data: bytes, path: Path) -> Tree | None:
    try:
        return read_tree(data, str(path), [], strict=False)
    except ConfigError as error:
        raise ValueError(error.what) from None
