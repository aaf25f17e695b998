"""How the hosts of an Ansible inventory are reached, in our words."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phoenixctl.settings.inventory import Variables, groups_of_hosts, variables_of
from phoenixctl.settings.inventory_files import load_inventory

_ADDRESS: Final = ("ansible_host", "ansible_ssh_host")
_PORT: Final = ("ansible_port", "ansible_ssh_port")
_USER: Final = ("ansible_user", "ansible_ssh_user")
_KEY: Final = ("ansible_ssh_private_key_file", "ansible_private_key_file")
_ARGUMENTS: Final = ("ansible_ssh_common_args", "ansible_ssh_extra_args")
_YES: Final = frozenset({"yes", "true", "on", "1", "y", "t"})
_PROXY: Final = re.compile(r"(?:-J\s*|(?:-o\s*)?ProxyJump\s*[=\s]\s*)(\S+)", re.IGNORECASE)
_IMPLICIT: Final = frozenset({"all", "ungrouped"})
_BAD: Final = re.compile(r"\A-|[\s\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class HostLogin:
    """One host; None: the inventory does not say. `groups` without `all` and `ungrouped`."""

    groups: tuple[str, ...]
    address: str | None
    port: int | None
    user: str | None
    identity_file: str | None
    jump: str | None
    become: bool | None
    problems: tuple[str, ...]


def read_inventory(path: Path) -> dict[str, HostLogin]:
    """All hosts that Ansible would reach over SSH, in the order of the file.

    ValueError when the file cannot be used; a host's own problems are in its `problems`.
    """
    inventory = load_inventory(path)
    groups = groups_of_hosts(inventory)
    found: dict[str, HostLogin] = {}
    for host in inventory.hosts:
        variables = variables_of(inventory, host, groups[host])
        if variables.get("ansible_connection", "ssh") in ("ssh", "smart", "paramiko"):
            own = tuple(name for name in groups[host] if name not in _IMPLICIT)
            found[host] = _login(own, variables)
    return found


def _login(groups: tuple[str, ...], variables: Variables) -> HostLogin:
    problems: list[str] = []
    address = _first(_ADDRESS, variables, problems)
    port = _first(_PORT, variables, problems)
    user = _first(_USER, variables, problems)
    key = _first(_KEY, variables, problems, path=True)
    become = _first(("ansible_become",), variables, problems)
    number = int(port) if port and port.isdecimal() and len(port) < 6 else 0
    if port and not 1 <= number <= 65_535:
        problems.append(f"ansible_port is no port number: {port[:20]!r}")
    return HostLogin(
        groups=groups,
        address=address,
        port=number or None,
        user=user,
        identity_file=key,
        jump=_jump(variables, problems),
        become=None if become is None else become.lower() in _YES,
        problems=tuple(problems),
    )


def _first(
    names: tuple[str, ...], variables: Variables, problems: list[str], *, path: bool = False
) -> str | None:
    name = next((name for name in names if variables.get(name)), None)
    if name is None:
        return None
    value = variables[name]
    if "{{" in value or value.startswith("$ANSIBLE_VAULT"):
        problems.append(f"{name} is a template or encrypted, which only Ansible can read")
        return None
    if _BAD.search(value.replace(" ", "") if path else value):
        problems.append(f"{name} is not usable: {value[:40]!r}")
        return None
    return value


def _jump(variables: Variables, problems: list[str]) -> str | None:
    """ProxyJump of the SSH arguments; other arguments have their place in ~/.ssh/config."""
    for name in _ARGUMENTS:
        try:
            words = " ".join(shlex.split(variables.get(name, "")))
        except ValueError:
            problems.append(f"{name} has an unclosed quote")
            return None
        match = _PROXY.search(words)
        if match:
            return _first((name,), {name: match[1]}, problems)
    return None
