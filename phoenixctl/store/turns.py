"""One process after the other: for the moment in which what was read is written anew."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from phoenixctl.model.errors import Locked
from phoenixctl.store.disk import make_private

_POLL_SECONDS: Final = 0.005


@contextmanager
def turn(path: Path, *, wait_seconds: float = 30.0) -> Iterator[None]:
    """Hold the file's lock, which the kernel frees however this process ends.

    Locked when others have held it all the time.
    """
    make_private(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _taken(descriptor):
            if time.monotonic() >= deadline:
                raise Locked(f"others write to {path.parent} all the time", hint="try again later")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
