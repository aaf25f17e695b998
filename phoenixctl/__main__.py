"""`python -m phoenixctl`, and the entry point `phoenixctl`."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Final

# Of what a command makes, nearly all stays until its end: looking for garbage after every 700
# objects, as Python does, would be a tenth of its CPU.
_OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000


def main() -> None:
    """Run the command line and leave with its exit code; TERM ends it as Ctrl-C does."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # Closed by whoever started us, `>&-`: what is said goes nowhere.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
    from phoenixctl.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
