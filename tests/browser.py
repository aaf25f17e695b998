"""A real browser without a window."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.needs import program

_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--enable-logging=stderr",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A page as the browser has it, a picture of it, and what it complained of."""

    dom: str
    picture: bytes
    complaints: list[str]


def looked_at(page: Path, folder: Path, *, width: int = 1200, height: int = 2000) -> Seen:
    picture = folder / "page.png"
    done = subprocess.run(
        [
            program("chromium"), *_SWITCHES, f"--user-data-dir={folder / 'profile'}",
            f"--window-size={width},{height}", f"--screenshot={picture}", "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Seen(done.stdout, picture.read_bytes(), complaints)
