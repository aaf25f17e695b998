"""Get a node ready for agents as its pool's configuration says: packages, files, commands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from phoenixctl.model.bootstrap import Bootstrap, BootstrapCommand
from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Fleet
from phoenixctl.model.hooks import ExecHook
from phoenixctl.model.units import format_duration
from phoenixctl.ports.clock import Clock
from phoenixctl.ports.reach import Session
from phoenixctl.remote.bootstrap import (
    FILE_SECONDS,
    PACKAGES_SECONDS,
    bootstrap_digest,
    file_command,
    packages_command,
    parse_file,
    parse_packages,
)
from phoenixctl.remote.quoting import to_shell

Read = Callable[[str], bytes]
"""Gives the content of a file on the operator's side."""

_READY_EVERY_SECONDS: Final = 1.0


def bootstrap_digests(fleet: Fleet, read: Read) -> Mapping[str, str]:
    """The digest of what every pool's nodes are given. The error of a file that cannot be read."""
    return {
        name: bootstrap_digest(pool.bootstrap, contents(pool.bootstrap, read))
        for name, pool in fleet.pools.items()
    }


def contents(bootstrap: Bootstrap | None, read: Read) -> Mapping[str, bytes]:
    """The files of a bootstrap by their `source`."""
    files = bootstrap.files if bootstrap is not None else ()
    return {file.source: read(file.source) for file in files}


async def prepare(
    session: Session, bootstrap: Bootstrap, files: Mapping[str, bytes], clock: Clock
) -> str:
    """Put right what is not as the bootstrap says; in a few words what that was."""
    done: list[str] = []
    if bootstrap.packages:
        command = packages_command(bootstrap.packages)
        completed = await session.run(command, timeout_seconds=PACKAGES_SECONDS)
        if installed := parse_packages(completed):
            done.append(f"installed {', '.join(installed)}")
    for file in bootstrap.files:
        command = file_command(file, files[file.source])
        if parse_file(await session.run(command, timeout_seconds=FILE_SECONDS)):
            done.append(f"wrote {file.target}")
    ran = [await _run(session, command) for command in bootstrap.commands]
    if any(ran):
        done.append(f"ran {sum(ran)} of {len(ran)} commands")
    if bootstrap.ready is not None:
        await _until_ready(session, bootstrap.ready, clock)
    return ", ".join(done) or "had all it needs"


async def _run(session: Session, command: BootstrapCommand) -> bool:
    """Whether it had to run; CommandFailed with its last words."""
    limit = command.timeout_seconds
    if command.unless:
        asked = await session.run(Command(*command.unless), timeout_seconds=limit)
        if asked.ok:
            return False
    completed = await session.run(Command(*command.run), timeout_seconds=limit)
    if not completed.ok:
        raise _failed(command.run, completed)
    return True


async def _until_ready(session: Session, ready: ExecHook, clock: Clock) -> None:
    """Ask until the node is ready, what was started just now may take a while."""
    deadline = clock.monotonic() + ready.timeout_seconds
    while True:
        left = max(1.0, deadline - clock.monotonic())
        completed = await session.run(Command(*ready.command), timeout_seconds=left)
        if completed.ok:
            return
        if clock.monotonic() + _READY_EVERY_SECONDS > deadline:
            failed = _failed(ready.command, completed)
            within = format_duration(ready.timeout_seconds)
            raise CommandFailed(f"not ready after {within}: {failed.what}")
        await asyncio.sleep(_READY_EVERY_SECONDS)


def _failed(argv: Sequence[str], completed: Completed) -> CommandFailed:
    how = f"signal {completed.signal}" if completed.signal else completed.exit_status
    words = (completed.stderr or completed.stdout).decode("utf-8", "replace").strip()
    last = "\n".join(words.splitlines()[-8:])
    return CommandFailed(f"`{to_shell(argv)}` ended with {how}{f': {last}' if last else ''}")
