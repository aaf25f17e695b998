"""What an agent was started with, kept in its `meta` file on the node and read back from there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.fleet import Agent

_VALUE: Final = re.compile(r"[A-Za-z0-9._+-]{0,128}", re.ASCII)
_AGENT_ID: Final = re.compile(r"([a-z0-9][a-z0-9-]{0,62})-(\d{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Meta:
    """`damaged` when the file was missing or not as written; then values may be stand-ins."""

    spec: str
    ordinal: int
    digest: str
    epoch: int
    port: int | None
    role: str
    singleton: bool = False
    damaged: bool = False


def write_meta(agent: Agent, *, digest: str, epoch: int, role: str) -> str:
    """The file's text: `key=value` lines in plain ASCII."""
    values = {
        "spec": agent.spec.name,
        "ordinal": agent.ordinal,
        "digest": digest,
        "epoch": epoch,
        "port": "" if agent.port is None else agent.port,
        "role": role,
        "user": agent.spec.user or "",
    }
    if agent.spec.singleton:
        values["singleton"] = "yes"
        if agent.spec.lease_seconds is not None:
            values["lease"] = max(1, int(agent.spec.lease_seconds))
    for key, value in values.items():
        if not _VALUE.fullmatch(str(value)):
            raise ValueError(f"{agent.id}: {key} {value!r} has characters that are not allowed")
    return "".join(f"{key}={value}\n" for key, value in values.items())


def read_meta(agent_id: str, lines: Iterable[str]) -> Meta | None:
    """What the lines say; None when not even the agent's id is one."""
    identity = _AGENT_ID.fullmatch(agent_id)
    if identity is None:
        return None
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    numbers = {key: _number(values.get(key, "")) for key in ("ordinal", "epoch", "port")}
    damaged = (
        not all(_VALUE.fullmatch(value) for value in values.values())
        or f"{values.get('spec')}-{numbers['ordinal']}" != agent_id
        or numbers["epoch"] is None
    )
    return Meta(
        spec=identity[1],
        ordinal=int(identity[2]),
        digest="" if damaged else values.get("digest", ""),
        epoch=numbers["epoch"] or 0,
        port=numbers["port"],
        role="" if damaged else values.get("role", ""),
        singleton=values.get("singleton") == "yes",
        damaged=damaged,
    )


def _number(text: str) -> int | None:
    return int(text) if len(text) <= 18 and text.isascii() and text.isdigit() else None
