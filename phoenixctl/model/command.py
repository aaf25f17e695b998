"""A command as an argument list: the only form in which work reaches a node."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, init=False)
class Command:
    """A program with its arguments, and bytes for its standard input.

    Quoted once, at the edge, by `remote.quoting.to_shell`. A NUL cannot be passed to any program
    and is refused here. `stdin` stays out of `repr`: secrets travel in it.
    """

    argv: tuple[str, ...]
    stdin: bytes | None = field(repr=False)

    def __init__(self, *argv: str, stdin: bytes | None = None) -> None:
        if not argv:
            raise ValueError("a command needs at least the program's name")
        if any("\0" in argument for argument in argv):
            raise ValueError("an argument contains a NUL byte, which no program can receive")
        object.__setattr__(self, "argv", tuple(argv))
        object.__setattr__(self, "stdin", stdin)


@dataclass(frozen=True, slots=True)
class Completed:
    """What a finished command left: its exit status and its capped output.

    `exit_status` is None when a signal ended it; then `signal` names it (`TERM`).
    """

    exit_status: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    signal: str | None = None
    stdout_truncated: bool = False
    stderr_truncated: bool = False

    @property
    def ok(self) -> bool:
        return self.exit_status == 0
