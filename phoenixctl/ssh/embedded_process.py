"""The processes of one session (in the sense of setsid), found and signalled together."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Final

import psutil

_ROUND_SECONDS: Final = 0.05
_GRACE_ROUNDS: Final = 40
_KILL_ROUNDS: Final = 20

# The signals which RFC 4254 names; others carry their origin behind an @.
_STANDARD: Final = frozenset(
    ("ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM")
) | {"USR1", "USR2"}


def signal_name(number: int) -> str:
    """`TERM` for 15, as an SSH server reports it."""
    name = signal.Signals(number).name.removeprefix("SIG")
    return name if name in _STANDARD else f"{name}@phoenixctl"


def signal_group(leader: int, name: str, *, reaped: bool) -> None:
    """Send a signal by its SSH name to the leader's process group, as sshd does."""
    number = getattr(signal, f"SIG{name}", None)
    if not isinstance(number, signal.Signals) or (reaped and psutil.pid_exists(leader)):
        return
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return


async def end_session(leader: int, *, reaped: bool) -> None:
    """TERM, two seconds of grace, then KILL to the whole session of `leader`, until it is gone.

    A process with its own group (`timeout` makes one) is in the session all the same; one with
    its own session is not, and lives on.
    """
    _signal_all(_members(leader, reaped=reaped), signal.SIGTERM)
    for _ in range(_GRACE_ROUNDS):
        if not _members(leader, reaped=reaped):
            return
        await asyncio.sleep(_ROUND_SECONDS)
    # In rounds, for one that forks may be missed by the first.
    for _ in range(_KILL_ROUNDS):
        members = _members(leader, reaped=reaped)
        if not members:
            return
        _signal_all(members, signal.SIGKILL)
        await asyncio.sleep(_ROUND_SECONDS)


def _members(leader: int, *, reaped: bool) -> list[int]:
    if reaped and psutil.pid_exists(leader):
        return []  # a number is given away again only when nothing of its session is left
    return [pid for pid in psutil.pids() if _in_session(pid, leader)]


def _in_session(pid: int, leader: int) -> bool:
    try:
        return os.getsid(pid) == leader and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
