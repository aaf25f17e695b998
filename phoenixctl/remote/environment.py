"""An agent's environment as a file that `sh` and systemd read alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from phoenixctl.model.fleet import Agent

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Some shells hold these back: bash ends a script that assigns them, dash one with no number.
_SHELL_OWN: Final = frozenset(
    ("BASHOPTS", "BASH_VERSINFO", "EUID", "IFS", "LINENO", "OPTIND", "PPID", "SHELLOPTS", "UID")
)
# Not characters: systemd takes a file with one for broken. No process can be given a NUL.
_NOT_TEXT: Final = re.compile("[\0\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def agent_environment(
    agent: Agent,
    *,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
    epoch: int,
    role: str,
    restore_from: str | None,
    address: str | None = None,
) -> str:
    """The environment file's text, but for the folders, which only the node knows.

    Later ones win: the spec's own, `env`, `secrets`. `address` is where others reach the node's
    agents, when that is not the node's own. ValueError names a variable that cannot be passed, and
    never shows its value.
    """
    for name in (*agent.spec.env, *env, *secrets):
        if name.startswith("PHOENIX_"):
            raise ValueError(f"{agent.id}: {name} is set by phoenixctl itself")
    contract = {
        "PHOENIX_AGENT": agent.id,
        "PHOENIX_EPOCH": str(epoch),
        "PHOENIX_ROLE": role,
        "PHOENIX_PORT": None if agent.port is None else str(agent.port),
        "PHOENIX_ADDRESS": address,
        "PHOENIX_RESTORE_FROM": restore_from,
    }
    given = {name: value for name, value in contract.items() if value is not None}
    return environment_text({**agent.spec.env, **env, **secrets, **given})


def environment_text(variables: Mapping[str, str]) -> str:
    """`NAME="value"` lines. Between double quotes a POSIX shell and systemd (EnvironmentFile=)
    agree: a backslash takes the meaning from `"`, `\\`, `$` and a backtick; line breaks stay."""
    return "".join(f'{_name(n)}="{_escaped(n, v)}"\n' for n, v in sorted(variables.items()))


def _name(name: str) -> str:
    if not _NAME.fullmatch(name) or name in _SHELL_OWN:
        raise ValueError(f"{name!r} cannot be the name of an environment variable")
    return name


def _escaped(name: str, value: str) -> str:
    if _NOT_TEXT.search(value) or any(ord(c) & 0xFFFE == 0xFFFE for c in value):
        raise ValueError(f"the value of {name} holds something that is no text, such as a NUL")
    return re.sub(r'["\\$`]', r"\\\g<0>", value)
