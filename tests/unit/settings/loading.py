"""Small builders: a configuration from text, and what is wrong with one."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from phoenixctl.model.errors import ConfigError
from phoenixctl.settings.load import LoadedConfig, load


def loaded(
    folder: Path,
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> LoadedConfig:
    path = folder / "phoenixctl.yaml"
    path.write_text(textwrap.dedent(text))
    return load(path, environ=environ or {}, overrides=overrides or {})


def problems(
    folder: Path,
    text: str,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> list[str]:
    """The lines of the error, with places relative to the folder."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, environ=environ, overrides=overrides)
    assert "phoenixctl config check" in caught.value.hint
    return caught.value.what.replace(f"{folder}/", "").splitlines()
