"""The fleet as it is configured, and the folders that are kept for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phoenixctl.model.fleet import Fleet


def configuration(config: Path | None, overrides: Mapping[str, str]) -> tuple[Path, Fleet]:
    """Find the configuration and read it."""
    from phoenixctl.settings.compiled import load_fleet
    from phoenixctl.settings.find import find_config

    path = find_config(config, os.environ, Path.cwd())
    return path, load_fleet(path, environ=os.environ, overrides=overrides, cache=cache_folder())


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/phoenixctl`: what can be removed at any time."""
    base = os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "phoenixctl"


def state_folder(fleet: str) -> Path:
    """`$XDG_STATE_HOME/phoenixctl/<fleet>`."""
    base = os.environ.get("XDG_STATE_HOME")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".local" / "state"
    return root / "phoenixctl" / fleet
