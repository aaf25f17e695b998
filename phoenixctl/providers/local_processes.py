"""The processes of embedded nodes on this machine: which they are, and their end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import psutil

from phoenixctl.providers.local_folder import NODE_MODULE, NodeFacts

GRACE_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05
# Two processes may read the machine's boot time a second apart.
_START_TOLERANCE_SECONDS: Final = 2.0


def is_alive(pid: int) -> bool:
    """A process with this number runs; one that has only not been waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def is_node(facts: NodeFacts, folder: Path) -> bool:
    """The process that wrote these facts still runs: the pid alone may be another's by now."""
    try:
        process = psutil.Process(facts.pid)
        same_start = abs(process.create_time() - facts.started_at) < _START_TOLERANCE_SECONDS
        return same_start and is_alive(facts.pid) and _serves(process, folder)
    except psutil.Error:
        return False


async def end_agents(folder: Path) -> Sequence[int]:
    """End everything that was started on the node; returns the pids that would not die."""
    return await _end(lambda: _select(lambda process: _lives_in(process, folder)))


async def end_node(folder: Path) -> Sequence[int]:
    """End the node's server, announced or not; returns the pids that would not die."""
    return await _end(lambda: _select(lambda process: _serves(process, folder)))


async def _end(find: Callable[[], Sequence[psutil.Process]]) -> Sequence[int]:
    """TERM, a grace, KILL; found anew each time, for a supervisor may start what was ended."""
    for send in (psutil.Process.terminate, psutil.Process.kill):
        signalled: set[int] = set()
        for _ in range(int(GRACE_SECONDS / _POLL_SECONDS)):
            left = find()
            if not left:
                return ()
            _signal((process for process in left if process.pid not in signalled), send)
            signalled.update(process.pid for process in left)
            await asyncio.sleep(_POLL_SECONDS)
    return tuple(process.pid for process in find())


def _signal(processes: Iterable[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            send(process)
        except psutil.Error:
            continue


def _select(wanted: Callable[[psutil.Process], bool]) -> Sequence[psutil.Process]:
    """Our own living processes that are `wanted`; never this one or those above it."""
    current = psutil.Process()
    above = {current.pid, *(parent.pid for parent in current.parents())}
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.pid not in above and process.uids().real == os.getuid()
            if ours and process.status() != psutil.STATUS_ZOMBIE and wanted(process):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _lives_in(process: psutil.Process, folder: Path) -> bool:
    """Its environment is that of the node's commands, or says that its files are there."""
    environment = process.environ()
    inside = f"{folder}/"
    return environment.get("HOME") == str(folder / "home") or any(
        name.startswith("PHOENIX_") and value.startswith(inside)
        for name, value in environment.items()
    )


def _serves(process: psutil.Process, folder: Path) -> bool:
    command = process.cmdline()
    return NODE_MODULE in command and str(folder) in command
