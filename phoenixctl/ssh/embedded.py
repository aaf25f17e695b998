"""`python -m phoenixctl.ssh.embedded FOLDER`: one embedded node, a real SSH server on loopback.

It knows nothing of a fleet. Its life is its folder's: it ends by itself when that is removed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from phoenixctl.ssh.embedded_node import make_key, serve


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the folder, or make a key pair; returns the exit status."""
    arguments = _parse(argv)
    if arguments.keygen:
        make_key(arguments.path)
        return 0
    folder = arguments.path.absolute()
    if arguments.detach:
        child = os.fork()
        if child:
            print(child, flush=True)
            return 0
        _detach(folder / "node.log")
    try:
        asyncio.run(serve(folder, arguments.port))
    except (OSError, ValueError) as error:  # asyncssh's errors about keys are ValueErrors
        print(f"cannot serve {folder}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m phoenixctl.ssh.embedded")
    parser.add_argument("path", type=Path, help="the node's folder (with --keygen: the key)")
    parser.add_argument("--port", type=int, default=0, help="0, or taken: a free one is chosen")
    parser.add_argument("--detach", action="store_true", help="print the node's pid and return")
    parser.add_argument("--keygen", action="store_true", help="make a key pair and return")
    return parser.parse_args(argv)


def _detach(log: Path) -> None:
    """Leave the terminal and the parent; say what there is to say in the log."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(words, 1)
    os.dup2(words, 2)
    os.close(nothing)
    os.close(words)
    os.chdir("/")


if __name__ == "__main__":
    sys.exit(main())
