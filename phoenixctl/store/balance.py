"""What balancing remembers between runs: one file in the fleet's state folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from phoenixctl.model.balancing import (
    BalanceMemory,
    KeptBackend,
    KeptMember,
    StrategyName,
)
from phoenixctl.model.errors import StateDamaged
from phoenixctl.store.disk import alone, read_or_none, write_safely

_FORMAT: Final = 1
_FIELDS: Final = KeptMember.__slots__


class BalanceFile:
    """The rounds, and what was set by command. Written by whoever has the fleet's lock, or whose
    loss hurts nobody: without it weights begin anew."""

    def __init__(self, state: Path) -> None:
        self._path = state / "balance.json"

    def read(self) -> BalanceMemory:
        """Empty when there is none; StateDamaged when it cannot be understood."""
        content = read_or_none(self._path)
        if content is None:
            return BalanceMemory()
        try:
            document: Any = json.loads(content)
            if document["format"] != _FORMAT:
                raise ValueError(f"format {document['format']}")
            return _memory(document)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise StateDamaged(
                f"{self._path} cannot be understood: {error}",
                hint=f"rm {self._path}; weights then begin anew",
            ) from None

    def change(self, changed: Callable[[BalanceMemory], BalanceMemory]) -> None:
        """Read, change and write, while nobody else does: a round and a command may meet."""
        with alone(self._path.with_suffix(".lock")):
            self.write(changed(self.read()))

    def write(self, memory: BalanceMemory) -> None:
        document = {
            "format": _FORMAT,
            "strategy": memory.strategy and memory.strategy.value,
            "out": list(memory.out),
            "backends": {
                name: {
                    "at": kept.at_seconds,
                    "pid": kept.pid,
                    "round": dict(kept.round),
                    "members": {
                        member: [getattr(of, field) for field in _FIELDS]
                        for member, of in kept.members.items()
                    },
                }
                for name, kept in memory.backends.items()
            },
        }
        write_safely(self._path, json.dumps(document, separators=(",", ":")).encode())


def _memory(document: Mapping[str, Any]) -> BalanceMemory:
    """Without `model.codec`, which has to know all of the model: a pick reads this each time."""
    backends = {
        name: KeptBackend(
            float(kept["at"]),
            kept["pid"],
            MappingProxyType({m: _member(values) for m, values in kept["members"].items()}),
            MappingProxyType(kept["round"]),
        )
        for name, kept in document["backends"].items()
    }
    strategy = document["strategy"]
    return BalanceMemory(
        MappingProxyType(backends),
        None if strategy is None else StrategyName(strategy),
        tuple(document["out"]),
    )


def _member(values: Sequence[Any]) -> KeptMember:
    if len(values) != len(_FIELDS):
        raise ValueError(f"a member of {len(values)} values")
    fields = dict(zip(_FIELDS, values, strict=True))
    return KeptMember(**{**fields, "set": tuple(fields["set"])})
