"""Whether a process of this very machine still lives, told beyond doubt or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

_DEAD: Final = ("Z", "X")


def this_machine() -> str:
    """Names the running kernel and its numbers of processes; empty where that cannot be told.

    A host name would not do: two machines may share one, and containers count from 1.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {numbers}".encode()).hexdigest()[:16]


def started(pid: int) -> str:
    """When a living process was started, in ticks since boot; empty when that cannot be read."""
    state, start = _seen(pid)
    return "" if state in _DEAD else start


def is_gone(machine: str, pid: int, start: str) -> bool:
    """Whether the process that was started then surely is no more; False where it cannot be told,
    as of another machine."""
    if not machine or machine != this_machine():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass  # another user's, whom /proc may hide
    state, found = _seen(pid)
    return state in _DEAD or found not in ("", start)


def _seen(pid: int) -> tuple[str, str]:
    """State and start of a process as in proc(5), both empty when they cannot be read."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()  # what follows the name, which may hold anything
    return fields[0], fields[19]
