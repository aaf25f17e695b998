"""Which file is the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from phoenixctl.model.errors import ConfigError

FILE_NAME: Final = "phoenixctl.yaml"
VARIABLE: Final = "PHOENIXCTL_CONFIG"


def find_config(flag: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The file named by the flag, else by PHOENIXCTL_CONFIG, else the nearest above `cwd`.

    Relative paths are taken from `cwd`. ConfigError when there is none.
    """
    if flag is not None:
        return _named(cwd / flag, "--config")
    if named := environ.get(VARIABLE):
        return _named(cwd / named, VARIABLE)
    for folder in (cwd, *cwd.parents):
        if _is_file(folder / FILE_NAME):
            return folder / FILE_NAME
    raise ConfigError(
        f"no {FILE_NAME} in {cwd} or a folder above it",
        hint=f"phoenixctl init, or name the file with --config or {VARIABLE}",
    )


def _named(path: Path, by: str) -> Path:
    for candidate in (path, path / FILE_NAME):
        if _is_file(candidate):
            return candidate
    raise ConfigError(
        f"{by} names {path}, and there is no configuration that can be read",
        hint=f"name a file that exists, or write one: phoenixctl init --config {path.name}",
    )


def _is_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()  # a pipe will do: --config <(decrypt FILE)
    except OSError:  # a folder that may not be searched
        return False
