"""A loopback address of its own for the agents of each embedded node, where the system has more.

Linux has all of 127.0.0.0/8: two copies of an agent can then listen at one port, on two nodes that
are one machine. Elsewhere there is 127.0.0.1 alone.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

_CANDIDATES: Final = 16


@contextmanager
def own_address(folder: Path, before: str | None) -> Iterator[str | None]:
    """An address that no other running node of this machine has, until the block ends; None where
    there are none. It follows from the folder; the one it had `before` comes first."""
    with ExitStack() as held:
        for address in (*([before] if before else ()), *_candidates(folder)):
            if not _is_ours_to_use(address):
                break
            hold = held.enter_context(socket.socket(socket.AF_UNIX))
            try:
                # A name without a file, which is gone with the process that has it.
                hold.bind(f"\0phoenixctl-node-{address}")
            except OSError:
                continue
            yield address
            return
        yield None


def _candidates(folder: Path) -> Iterator[str]:
    for number in range(_CANDIDATES):
        second, third, fourth, *_ = hashlib.sha256(f"{number} {folder}".encode()).digest()
        # Without 127.0, where the system has its own, and without .0 and .255.
        yield f"127.{1 + second % 254}.{third}.{1 + fourth % 254}"


def _is_ours_to_use(address: str) -> bool:
    """The system lets a server listen there."""
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
