"""What is put around a command, so that it can be ended: its process group, told and timed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.errors import UsageError
from phoenixctl.remote.quoting import to_shell

KILL_AFTER_SECONDS: Final = 2
# One argument of a program can be 128 KiB, and the login shell gets the line as one argument.
_LINE_LIMIT: Final = 120 * 1024

# The pid is told on stderr before the command starts: with it the group can be ended over another
# channel (sshd refuses signal requests for root). When nobody listens any more, it does not start.
# It is told on stdout too: what came before it was printed by the login shell's start-up file.
_TELL: Final = 'echo "@phoenix:$$" >&2||exit 1;echo "@phoenix:$$";'
_TOLD: Final = re.compile(rb"@phoenix:([0-9]+)\n")

# `timeout` is the leader of a process group with the command and its children, and ends it.
# It is there for the group only, where there is no deadline; busybox takes 0 for a second.
_FOR_EVER: Final = "99999999"
_RUN: Final = _TELL + 'exec "$@"'
# A command without a deadline ends when our end of its standard input does, even if we crashed.
_FOLLOW: Final = (
    _TELL + 'exec 3<&0;{ cat <&3;kill -s TERM -- -$$;} >/dev/null 2>&1 &exec "$@" </dev/null 3<&-'
)
# Zombies do not count: in a container whose first process reaps none, they stay for ever.
_END: Final = (
    'alive() { cat /proc/[0-9]*/stat|grep -q -e ") [^ZX] [0-9]* $1 " -e "^$1 (.*) [^ZX] ";};'
    'end() { kill -s "$2" -- "-$1"||kill -s "$2" "$1";};'
    'end "$1" TERM;n=0;while alive "$1";do n=$((n+1));[ $n -eq 5 ]&&end "$1" KILL;'
    "[ $n -ge 15 ]&&exit 1;sleep 0.1;done;exit 0"
)


def timed(argv: Sequence[str], *, seconds: int, sudo: bool) -> str:
    """The line for a login shell that runs `argv` for at most so many seconds."""
    return _line(_RUN, ["timeout", "-k", str(KILL_AFTER_SECONDS), str(seconds), *argv], sudo=sudo)


def followed(argv: Sequence[str], *, sudo: bool) -> str:
    """The line for a login shell that runs `argv` until its standard input ends."""
    return _line(_FOLLOW, ["timeout", _FOR_EVER, *argv], sudo=sudo)


def ending(pid: int, *, sudo: bool) -> str:
    """The line that ends a told process group, TERM first; its exit status is 0 when it is gone."""
    prefix = ["sudo", "-n", "--"] if sudo else []
    return "exec " + to_shell([*prefix, "sh", "-c", _END, "sh", str(pid)]) + " >/dev/null 2>&1"


def _line(script: str, argv: Sequence[str], *, sudo: bool) -> str:
    prefix = ["sudo", "-n", "--"] if sudo else []
    # `exec`: the login shell's process becomes the command's, whichever shell it is.
    line = "exec " + to_shell([*prefix, "sh", "-c", script, "sh", *argv])
    if len(line) > _LINE_LIMIT:
        raise UsageError(
            f"the command line is {len(line)} characters long, at most {_LINE_LIMIT} can be sent",
            hint="send the data over standard input or as a file",
        )
    return line


@dataclass(frozen=True, slots=True)
class Told:
    """The pid that a command told, and its stderr without that line."""

    pid: int
    stderr: bytes


def told(stderr: bytes | bytearray) -> Told | None:
    """What a command has told on stderr; None when it has not started (yet)."""
    found = _TOLD.search(stderr)
    if found is None or int(found[1]) <= 1:
        return None
    return Told(int(found[1]), bytes(stderr[: found.start()] + stderr[found.end() :]))


def told_until(stdout: bytes | bytearray) -> int | None:
    """Where a command's own standard output begins; None when it has not started (yet)."""
    found = _TOLD.search(stdout)
    return found.end() if found else None
