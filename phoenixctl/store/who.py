"""Who runs this, as records name them."""

from __future__ import annotations

import getpass
import os
import socket


def operator() -> str:
    """Who runs this: `alice@laptop`."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"
