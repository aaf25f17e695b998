"""What `balance pick` counts between calls: which requests are open, and until when they may be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from phoenixctl.store.disk import alone, read_or_none, replace_file

_KEPT: Final = 86_400.0  # seconds after which it is forgotten that a member was picked


@dataclass(slots=True)
class Picks:
    """`ends` by backend and member: when each open request counts as over, in seconds since 1970;
    `uses`: when each was last picked; `turns`: what smooth round robin owes them."""

    ends: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    uses: dict[str, dict[str, float]] = field(default_factory=dict)
    turns: dict[str, dict[str, float]] = field(default_factory=dict)

    def open(self, backend: str, member: str, *, now: float) -> int:
        return sum(end > now for end in self.ends.get(backend, {}).get(member, ()))

    def last_use(self, backend: str, member: str) -> float | None:
        return self.uses.get(backend, {}).get(member)

    def add(self, backend: str, member: str, *, until: float, now: float) -> None:
        members = self.ends.setdefault(backend, {})
        for name, ends in members.items():
            members[name] = [end for end in ends if end > now]
        members.setdefault(member, []).append(until)
        uses = {name: at for name, at in self.uses.get(backend, {}).items() if at > now - _KEPT}
        self.uses[backend] = {**uses, member: now}

    def end(self, backend: str, member: str, *, now: float) -> bool:
        """Whether one was open; the one that has been for longest is over."""
        ends = [end for end in self.ends.get(backend, {}).get(member, ()) if end > now]
        if not ends:
            return False
        self.ends[backend][member] = sorted(ends)[1:]
        return True


class PicksFile:
    """One file in the fleet's state folder. It is only counts: one that cannot be read is empty."""

    def __init__(self, state: Path) -> None:
        self._path = state / "picks.json"

    @contextmanager
    def changing(self, *, keep: bool = True) -> Iterator[Picks]:
        """The counts, alone; kept when this is left without an error, if they are to be."""
        with alone(self._path.with_suffix(".lock")):
            picks = self._read()
            yield picks
            if keep:
                content = {"ends": picks.ends, "uses": picks.uses, "turns": picks.turns}
                replace_file(self._path, json.dumps(content).encode())

    def _read(self) -> Picks:
        content = read_or_none(self._path)
        if content is None:
            return Picks()
        try:
            found = json.loads(content)
            picks = Picks(*(_by_backend(found[key]) for key in ("ends", "uses", "turns")))
        except (AttributeError, KeyError, TypeError, ValueError):
            return Picks()
        return picks


def _by_backend(values: Any) -> dict[str, dict[str, Any]]:
    return {str(backend): dict(of.items()) for backend, of in values.items()}
