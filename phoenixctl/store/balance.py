"""What balancing remembers between runs: one file in the fleet's state folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from phoenixctl.model.balancing import BalanceMemory
from phoenixctl.model.codec import decode, encode
from phoenixctl.model.errors import StateDamaged
from phoenixctl.store.disk import read_or_none, write_safely

_FORMAT: Final = 1


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
            return decode(BalanceMemory, document["memory"])
        except (KeyError, TypeError, ValueError) as error:
            raise StateDamaged(
                f"{self._path} cannot be understood: {error}",
                hint=f"rm {self._path}; weights then begin anew",
            ) from None

    def write(self, memory: BalanceMemory) -> None:
        document = {"format": _FORMAT, "memory": encode(memory)}
        write_safely(self._path, json.dumps(document, separators=(",", ":")).encode())
