"""The one door to asyncssh: trust, connect, fan-out, tunnel, transfer."""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let importing a module fail for now, as if it were not installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = cast(ModuleType, None)  # what makes an import fail
    try:
        yield
    finally:
        del sys.modules[module]


def _import_asyncssh() -> None:
    """Import asyncssh without two things that are optional for it and of no use to us.

    Its search for liboqs runs ldconfig and a compiler. The library would add sntrup761, which costs
    its users 80 ms a handshake; mlkem768x25519, the post-quantum exchange we prefer, does not need
    it. X.509 certificates, which OpenSSH does not know and we never trust, cost 25 ms of start-up.
    """
    find_library = ctypes.util.find_library
    ctypes.util.find_library = lambda name: None if "oqs" in name else find_library(name)
    try:
        with _without("cryptography.x509"):
            import asyncssh  # noqa: F401
    finally:
        ctypes.util.find_library = find_library


_import_asyncssh()
