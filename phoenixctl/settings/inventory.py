"""An Ansible inventory as data: groups, their hosts, children and variables, as text.

Only what tells hosts and how to log in to them matters here; precedence is that of Ansible:
nearer groups over farther ones, hosts over groups.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

Variables: TypeAlias = dict[str, str]
MOST_HOSTS: Final = 100_000
_RANGE: Final = re.compile(r"\[(\d{1,9}|[A-Za-z]):(\d{1,9}|[A-Za-z])(?::(\d{1,9}))?\]")
_PORT: Final = re.compile(r"([^:]+|\[[^\]]+\]):(\d+)")


@dataclass(slots=True)
class Group:
    """`hosts` and `children` are ordered sets."""

    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    variables: Variables = field(default_factory=dict)
    outer_variables: Variables = field(default_factory=dict)  # of group_vars; over all groups' own


@dataclass(slots=True)
class Inventory:
    groups: dict[str, Group] = field(default_factory=dict)
    hosts: dict[str, Variables] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group())

    def add(self, group: str, pattern: str, variables: Mapping[str, str]) -> None:
        """Put the hosts of `web[01:20]` or `web1:2222` into a group."""
        members = self.group(group).hosts
        for written in unfold_hosts(pattern):
            match = _PORT.fullmatch(written)
            name = match[1].strip("[]") if match else written
            known = self.hosts.setdefault(name, {})
            if match:
                known["ansible_port"] = match[2]
            known.update(variables)
            members[name] = None
            if len(self.hosts) > MOST_HOSTS:
                raise ValueError(f"more than {MOST_HOSTS} hosts")


def unfold_hosts(pattern: str) -> Iterator[str]:
    """`web[01:03]` and `db-[a:c]`, in order; the step of `[1:9:2]` is kept."""
    match = _RANGE.search(pattern)
    if match is None:
        yield pattern
        return
    for item in _items(match[1], match[2], int(match[3] or 1)):
        for rest in unfold_hosts(pattern[match.end() :]):
            yield f"{pattern[: match.start()]}{item}{rest}"


def _items(first: str, last: str, step: int) -> Iterator[str]:
    if first.isdigit() and last.isdigit() and step > 0 and int(first) <= int(last):
        width = len(first) if first.startswith("0") else 1
        for number in range(int(first), int(last) + 1, step):
            yield f"{number:0{width}d}"
        return
    letters = string.ascii_letters
    if not first.isdigit() and not last.isdigit() and step > 0 and first <= last:
        yield from letters[letters.index(first) : letters.index(last) + 1 : step]
        return
    raise ValueError(f"[{first}:{last}] is not a range of hosts")


def groups_of_hosts(inventory: Inventory) -> dict[str, list[str]]:
    """Every host's groups, those of its groups included, the farthest first."""
    parents: dict[str, list[str]] = {name: [] for name in inventory.groups}
    for name, group in inventory.groups.items():
        for child in group.children:
            parents[child].append(name)
    depth = _depths(inventory, parents)
    direct: dict[str, set[str]] = {host: set() for host in inventory.hosts}
    for name, group in inventory.groups.items():
        for host in group.hosts:
            direct[host].add(name)
    return {
        host: sorted(_with_parents(own, parents), key=lambda name: (depth[name], name))
        for host, own in direct.items()
    }


def variables_of(inventory: Inventory, host: str, groups: list[str]) -> Variables:
    """What is set for a host; `groups` from the farthest to the nearest, without `all`."""
    everyone = inventory.groups.get("all", Group())
    own = [inventory.groups[name] for name in groups if name != "all"]
    merged = dict(everyone.variables)
    for group in own:
        merged.update(group.variables)
    merged.update(everyone.outer_variables)
    for group in own:
        merged.update(group.outer_variables)
    return {**merged, **inventory.hosts[host]}


def _with_parents(names: set[str], parents: Mapping[str, list[str]]) -> set[str]:
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(parents.get(name, ()))
    return found


def _depths(inventory: Inventory, parents: Mapping[str, list[str]]) -> dict[str, int]:
    """The longest way down to each group; ValueError when groups contain each other."""
    depth = dict.fromkeys(inventory.groups, 0)
    waiting = {name: len(above) for name, above in parents.items()}
    ready = [name for name, count in waiting.items() if count == 0]
    for name in ready:
        for child in inventory.groups[name].children:
            depth[child] = max(depth[child], depth[name] + 1)
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    circle = [name for name, count in waiting.items() if count]
    if circle:
        raise ValueError(f"these groups contain each other: {', '.join(circle[:5])}")
    return depth
