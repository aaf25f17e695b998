"""Whom the load generator sends to: URLs that it is given, or a file of endpoints that changes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from phoenixctl.demo.http_client import Target
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.routing import Member
from phoenixctl.remote.envoy import parse_endpoints


class Targets(Protocol):
    """Shares messages out."""

    def turn(self) -> Sequence[str]:
        """The URLs to offer the next message to, one after the other until one takes it."""


class Listed:
    """A list of URLs, used in turn. It is looked at anew for each message, and may be changed.

    ValueError for one that is no target.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        for url in urls:
            Target(url)
        self._urls = urls
        self._next = 0

    def turn(self) -> Sequence[str]:
        urls = tuple(self._urls)
        if not urls:
            return ()
        first = self._next % len(urls)
        self._next += 1
        return (*urls[first:], *urls[:first])


class Endpoints:
    """The members in a file of endpoints, as phoenixctl writes it for Envoy, by their weights.

    The file's name is the backend's. It is read again whenever it was replaced; while it is not
    there or cannot be read, what it said last counts. With `agent`, only that one's members are
    targets, which have its name or its name with an epoch.
    """

    def __init__(self, path: Path, agent: str | None = None) -> None:
        self._path = path
        self._agent = agent
        self._seen: tuple[int, int, int] | None = None
        self._members: tuple[Member, ...] = ()
        self._owed: dict[str, int] = {}

    def turn(self) -> Sequence[str]:
        self._read_if_replaced()
        if not self._members:
            return ()
        # Each is owed its weight; who is owed most is next, and pays for all (as nginx does it).
        for one in self._members:
            self._owed[one.name] = self._owed.get(one.name, 0) + one.weight
        ordered = sorted(self._members, key=lambda one: (-self._owed[one.name], one.name))
        self._owed[ordered[0].name] -= sum(one.weight for one in self._members)
        return [f"http://{_host(one.address)}:{one.port}" for one in ordered]

    def _read_if_replaced(self) -> None:
        try:
            now = os.stat(self._path)  # noqa: PTH116 - for each message: a third of Path's time
            seen = (now.st_ino, now.st_mtime_ns, now.st_size)
            if seen == self._seen:
                return
            found = parse_endpoints(self._path.read_bytes(), str(self._path), self._path.stem)
        except (OSError, CommandFailed):
            return
        self._seen = seen
        self._members = tuple(
            one.member
            for one in found
            if one.member.takes_traffic and self._is_wanted(one.member.name)
        )
        self._owed = {one.name: self._owed.get(one.name, 0) for one in self._members}

    def _is_wanted(self, name: str) -> bool:
        return self._agent is None or name == self._agent or name.startswith(f"{self._agent}.")


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
