"""Secrets that the configuration names and never holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from phoenixctl.model.errors import ConfigError
from phoenixctl.model.fleet import SecretRef
from phoenixctl.settings.files import Surroundings, read_file


def read_secret(ref: SecretRef, base_dir: Path, environ: Mapping[str, str]) -> str:
    """The secret: an environment variable, or a file (relative to `base_dir`) less its last
    line end. ConfigError when it is missing or empty; no error holds any part of the value.
    """
    if ref.source == "env":
        value = environ.get(ref.name, "")
        if not value:
            raise ConfigError(
                f"the environment variable {ref.name}, named as a secret, is not set",
                hint=f"export {ref.name}=… and run the command again",
            )
    else:
        value = _from_file(Surroundings(base_dir, environ).path(ref.name))
    if "\0" in value:
        raise ConfigError(f"the secret of {ref.source} {ref.name} contains a NUL byte")
    return value


def _from_file(path: Path) -> str:
    hint = f"write the secret to {path} and keep it readable for you alone"
    try:
        data = read_file(path)
    except ValueError as error:
        raise ConfigError(f"a secret is missing: {error}", hint=hint) from None
    try:
        value = data.decode()
    except UnicodeDecodeError:
        # `from None`: the original error carries the bytes.
        raise ConfigError(f"the secret in {path} is not UTF-8 text", hint=hint) from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise ConfigError(f"the secret in {path} is empty", hint=hint)
    return value
