"""The way to a node: its address, its login and the hosts in between, as settings add up."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from getpass import getuser
from pathlib import Path
from types import MappingProxyType
from typing import Final

from phoenixctl.model.errors import ConfigError
from phoenixctl.model.fleet import Node, SshSettings
from phoenixctl.model.names import NodeName
from phoenixctl.ssh.ssh_config import SshConfig

_DEFAULT_KEYS: Final = ("id_ed25519", "id_ecdsa", "id_rsa")
_CHAIN_LIMIT: Final = 8
_FAMILIES: Final = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
_STANDARD: Final = SshSettings().known_hosts_files


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in with what: the part of a hop that many nodes share."""

    user: str
    identity_files: tuple[Path, ...]
    certificate_files: tuple[Path, ...]
    identities_only: bool
    agent: str | None
    kex: str | None  # algorithm lists as the user's configuration restricts them
    ciphers: str | None
    macs: str | None
    ca_signatures: str | None


@dataclass(frozen=True, slots=True)
class Hop:
    """One SSH connection; `via` is the hop whose connection carries it."""

    host: str
    port: int
    login: Login
    known_hosts: tuple[Path, ...]
    connect_timeout_seconds: float
    host_keys: tuple[str, ...] = ()  # if any, only these are trusted and no file is read
    alias: str | None = None
    host_key_algorithms: str | None = None
    revoked_keys: Path | None = None
    via: Hop | None = None
    proxy_command: str | None = None
    family: int = socket.AF_UNSPEC
    bind_address: str | None = None

    def __str__(self) -> str:
        return f"{self.login.user}@{self.host}:{self.port}"


class Routes:
    """Finds the hop of a node: the node's own fields, then the fleet's, then ~/.ssh/config."""

    def __init__(
        self,
        settings: SshSettings,
        config: SshConfig,
        *,
        home: Path,
        environ: Mapping[str, str],
        nodes: Mapping[NodeName, Node] = MappingProxyType({}),
    ) -> None:
        self._settings = settings
        self._nodes = nodes  # a jump host may be one of them, by its name
        self._config = config
        self._home = home
        self._environ = environ
        self._local_user = environ.get("LOGNAME") or environ.get("USER") or getuser()
        self._logins: dict[Login, Login] = {}

    def to(self, node: Node) -> Hop:
        """The last hop of the way to `node`. ConfigError when the chain turns in a circle."""
        return self._to(node, node.jump, depth=0)

    def _to(self, node: Node, jump: str | None, *, depth: int) -> Hop:
        user = node.user or self._settings.user
        port = node.port or self._settings.port
        hop = self._hop(node, node.address, user, port, jump, depth=depth)
        if not node.host_keys:
            return hop
        return replace(hop, host_keys=node.host_keys, known_hosts=())

    def _hop(
        self, node: Node, address: str, user: str | None, port: int | None, jump: str | None,
        *, depth: int,
    ) -> Hop:  # fmt: skip
        if depth > _CHAIN_LIMIT:
            raise ConfigError(f"{node.name}: more than {_CHAIN_LIMIT} jump hosts, or a circle")
        found = self._lookup(node, address, user)
        first = _first(found)
        user = user or first("user") or (self._settings.user if depth else None)
        user = user or self._local_user
        typed = (address, port)
        port = port or int(first("port") or 22)
        host = _expand(first("hostname") or "%h", {"h": address, "n": address})
        tokens = self._tokens(address=address, host=host, port=port, user=user)
        chain = jump if jump is not None else first("proxyjump")
        proxy = None if chain else first("proxycommand")
        return Hop(
            host=host,
            port=port,
            login=self._login(node, found, user, tokens),
            known_hosts=self._known_hosts(node, found, tokens),
            connect_timeout_seconds=float(
                first("connecttimeout") or self._settings.connect_timeout_seconds
            ),
            alias=first("hostkeyalias"),
            host_key_algorithms=first("hostkeyalgorithms"),
            revoked_keys=self._revoked(first("revokedhostkeys"), tokens),
            via=self._chain(node, typed, chain, depth=depth) if chain else None,
            proxy_command=_expand(proxy, tokens) if proxy else None,
            family=_FAMILIES.get((first("addressfamily") or "").lower(), socket.AF_UNSPEC),
            bind_address=first("bindaddress"),
        )

    def _chain(
        self, node: Node, typed: tuple[str, int | None], chain: str, *, depth: int
    ) -> Hop | None:
        """`a,b`: b is reached over a. Only a may have jump hosts of its own, as in OpenSSH.

        A jump host that `Host *` gives to itself is reached directly.
        """
        if chain.lower() == "none":
            return None
        previous: Hop | None = None
        for place in chain.split(","):
            user, host, port = _jump_parts(place.strip())
            if (host, port) == typed:
                break
            jump = None if previous is None else "none"
            known = self._nodes.get(NodeName(host))
            if known is not None and known is not node and user is None and port is None:
                hop = self._to(known, jump or known.jump, depth=depth + 1)
            else:
                hop = self._hop(node, host, user, port, jump, depth=depth + 1)
            previous = hop if previous is None else replace(hop, via=previous)
        return previous

    def _lookup(self, node: Node, address: str, user: str | None) -> Mapping[str, list[str]]:
        if not node.use_ssh_config:
            return {}
        return self._config.lookup(address, user=user, local_user=self._local_user)

    def _login(
        self, node: Node, found: Mapping[str, list[str]], user: str, tokens: Mapping[str, str]
    ) -> Login:
        first = _first(found)
        own = node.identity_files or self._settings.identity_files
        named = own or tuple(found.get("identityfile", ()))
        files = named or tuple(f"~/.ssh/{name}" for name in _DEFAULT_KEYS)
        certificates = (*self._settings.certificate_files, *found.get("certificatefile", ()))
        login = Login(
            user=user,
            identity_files=self._paths(files, tokens),
            certificate_files=self._paths(certificates, tokens),
            identities_only=(first("identitiesonly") or "no").lower() in {"yes", "true"},
            agent=self._agent(node, first("identityagent"), tokens),
            kex=first("kexalgorithms"),
            ciphers=first("ciphers"),
            macs=first("macs"),
            ca_signatures=first("casignaturealgorithms"),
        )
        # Equal logins become one object: comparing it is then a matter of identity.
        return self._logins.setdefault(login, login)

    def _agent(self, node: Node, named: str | None, tokens: Mapping[str, str]) -> str | None:
        if not (node.use_agent and self._settings.use_agent) or (named or "").lower() == "none":
            return None
        if named is None or named == "SSH_AUTH_SOCK":
            return self._environ.get("SSH_AUTH_SOCK") or None
        if named.startswith("$") and not named.startswith("${"):
            return self._environ.get(named[1:]) or None
        return str(self._path(named, tokens))

    def _known_hosts(
        self, node: Node, found: Mapping[str, list[str]], tokens: Mapping[str, str]
    ) -> tuple[Path, ...]:
        if node.known_hosts_files:
            return self._paths(node.known_hosts_files, tokens)
        if self._settings.known_hosts_files != _STANDARD:
            return self._paths(self._settings.known_hosts_files, tokens)
        users = found.get("userknownhostsfile", list(_STANDARD[:1]))
        everybody = found.get("globalknownhostsfile", list(_STANDARD[1:]))
        files = [name for name in (*users, *everybody) if name.lower() != "none"]
        return self._paths(tuple(files), tokens)

    def _revoked(self, named: str | None, tokens: Mapping[str, str]) -> Path | None:
        return None if named is None or named.lower() == "none" else self._path(named, tokens)

    def _paths(self, names: tuple[str, ...], tokens: Mapping[str, str]) -> tuple[Path, ...]:
        return tuple(self._path(name, tokens) for name in names)

    def _path(self, name: str, tokens: Mapping[str, str]) -> Path:
        name = re.sub(r"\$\{(\w+)\}", lambda found: self._environ.get(found[1], ""), name)
        name = _expand(name, tokens)
        return self._home / name[2:] if name == "~" or name.startswith("~/") else Path(name)

    def _tokens(self, *, address: str, host: str, port: int, user: str) -> Mapping[str, str]:
        return {
            "h": host, "n": address, "p": str(port), "r": user, "u": self._local_user,
            "d": str(self._home), "i": str(os.getuid()), "l": _local_host(),
            "L": _local_host().partition(".")[0],
        }  # fmt: skip


def _first(found: Mapping[str, list[str]]) -> Callable[[str], str | None]:
    return lambda keyword: found[keyword][0] if keyword in found else None


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    return re.sub(r"%(.)", lambda found: _token(found[1], tokens, text), text)


def _token(name: str, tokens: Mapping[str, str], text: str) -> str:
    if name == "%":
        return "%"
    if name not in tokens:
        raise ConfigError(f"%{name} in {text!r} of the SSH configuration is not supported")
    return tokens[name]


def _jump_parts(place: str) -> tuple[str | None, str, int | None]:
    """`user@host:port`, also as `ssh://…` and with an IPv6 address in brackets."""
    place = place.removeprefix("ssh://").rstrip("/")
    user, _, rest = place.rpartition("@")
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:]+)(?::(\d+))?|([0-9a-fA-F:]+)", rest)
    if found is None:
        raise ConfigError(f"{place!r} is not a jump host; write it like user@host:port")
    port = found[2] or found[4]
    return user or None, found[1] or found[3] or found[5], int(port) if port else None


def _local_host() -> str:
    return socket.gethostname()
