"""Until when singletons are permitted to run, as far as this machine has given the permissions."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from phoenixctl.model.names import AgentId
from phoenixctl.ports.clock import Clock
from phoenixctl.store.disk import make_private, read_or_none, write_safely
from phoenixctl.store.machine import this_machine

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """The end of what was permitted: `until` by the clock on the wall, `then` by the one that
    nobody can set, in the boot that `machine` names. `open`: something is permitted whose end is
    not known."""

    until: float = 0.0
    then: float = 0.0
    machine: str = ""
    open: bool = True


class LeaseBook:
    """One file, written before a permission is given and after it: what is not in it, or cannot be
    read, is not known. Several runs may write at once."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    def left(self) -> Mapping[AgentId, float]:
        """The seconds that permissions last, of agents of which all are known; below 0 when they
        are over. Of two clocks, the one counts that says more."""
        here = this_machine()
        found = {}
        for agent, entry in self._read().items():
            left = entry.until - self._clock.epoch()
            if here and entry.machine == here:
                left = max(left, entry.then - self._clock.monotonic())
            if not entry.open:
                found[agent] = left
        return found

    def opened(self, agents: Iterable[AgentId]) -> None:
        """They are about to be permitted something; until it is `closed`, its end is not known."""
        with self._changing() as entries:
            for agent in agents:
                entries[agent] = replace(entries.get(agent, _Entry()), open=True)

    def closed(self, seconds: Mapping[AgentId, float]) -> None:
        """What they were permitted lasts for so long from now, at most."""
        with self._changing() as entries:
            for agent, lasting in seconds.items():
                longer = self._longer(entries.get(agent, _Entry()), lasting)
                entries[agent] = replace(longer, open=False)

    def extended(self, seconds: Mapping[AgentId, float]) -> None:
        """What they are permitted is about to be renewed, for so long from now at most. What was
        not known stays so."""
        with self._changing() as entries:
            for agent, lasting in seconds.items():
                if agent in entries:
                    entries[agent] = self._longer(entries[agent], lasting)

    def _longer(self, entry: _Entry, seconds: float) -> _Entry:
        here = this_machine()
        then = entry.then if entry.machine == here else 0.0
        return replace(
            entry,
            until=max(entry.until, self._clock.epoch() + seconds),
            then=max(then, self._clock.monotonic() + seconds),
            machine=here,
        )

    @contextmanager
    def _changing(self) -> Iterator[dict[AgentId, _Entry]]:
        """PhoenixError when it cannot be written: then nothing may be permitted."""
        make_private(self._path.parent)
        lock = self._path.with_suffix(".lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            entries = self._read()
            before = dict(entries)
            yield entries
            if entries != before:
                agents = {agent: asdict(entry) for agent, entry in sorted(entries.items())}
                content = json.dumps({"format": FORMAT, "agents": agents})
                write_safely(self._path, content.encode())
        finally:
            os.close(descriptor)

    def _read(self) -> dict[AgentId, _Entry]:
        try:
            agents = json.loads(read_or_none(self._path) or b"{}")["agents"]
            return {AgentId(agent): _entry(written) for agent, written in agents.items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}


def _entry(written: Mapping[str, object]) -> _Entry:
    until, then = written["until"], written["then"]
    if not isinstance(until, float) or not isinstance(then, float):
        raise TypeError("no time")
    return _Entry(until, then, str(written["machine"]), written["open"] is not False)
