"""Programs that the harness runs, and processes it may end: those it started, by identity."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


class HarnessError(RuntimeError):
    """A host could not be made or changed; says which command failed and what it said."""


def call(*argv: str | Path, timeout: float = 20.0, check: bool = True) -> str:
    """Run a program of this machine to its end and give its output."""
    done = subprocess.run(
        [str(a) for a in argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise HarnessError(f"{' '.join(str(a) for a in argv)} ended with {done.returncode}: {said}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    started: int  # clock ticks since boot

    @classmethod
    def of(cls, pid: int) -> Identity:
        return cls(pid, _stat(pid)[1])

    @classmethod
    def parse(cls, text: str) -> Identity:
        pid, started = text.split()
        return cls(int(pid), int(started))

    def __str__(self) -> str:
        return f"{self.pid} {self.started}"

    def alive(self) -> bool:
        """Whether it is still there and not merely waiting to be reaped."""
        try:
            state, started = _stat(self.pid)
        except (FileNotFoundError, ProcessLookupError):
            return False
        return started == self.started and state not in "ZX"

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process is gone."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # The descriptor now pins the process: checked here, it cannot be swapped afterwards.
            if self.alive():
                signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)

    def kill(self, within_seconds: float = 10.0) -> None:
        """SIGKILL, and wait until it is gone."""
        self.send(signal.SIGKILL)
        wait_for(lambda: not self.alive(), within_seconds, f"the end of process {self.pid}")


def wait_for(condition: object, within_seconds: float, what: str) -> None:
    """Poll until the callable is true; HarnessError when time is over."""
    assert callable(condition)
    end = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > end:
            raise HarnessError(f"waited {within_seconds:g} s in vain for {what}")
        time.sleep(0.02)


def children(pid: int) -> Iterator[int]:
    """The direct children of a process, whichever of its threads started them."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            yield from map(int, (thread / "children").read_text().split())


def descendants(pid: int) -> Iterator[int]:
    """All processes below one; a host's PID 1 adopts orphans, so below it is the whole host."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def _stat(pid: int) -> tuple[str, int]:
    # The command name may hold blanks and parentheses; what follows its last one is regular.
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return fields[0], int(fields[19])
