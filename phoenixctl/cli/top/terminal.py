"""The terminal that the live view is drawn on."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping


def has_screen() -> bool:
    """Whether there is a terminal that can be drawn on: Textual reads stdin and writes stderr."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    there = all(stream is not None and stream.isatty() for stream in streams)
    return there and os.environ.get("TERM", "dumb") != "dumb"


def colour(environ: MutableMapping[str, str], *, wanted: bool) -> None:
    """Say in the environment whether there is colour: Textual asks it alone, and takes also an
    empty NO_COLOR for a no."""
    if wanted and not environ.get("NO_COLOR"):
        environ.pop("NO_COLOR", None)
    else:
        environ["NO_COLOR"] = "1"
