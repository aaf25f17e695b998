"""Whose a value is: a node's (`web-1`), an agent's on its node (`web-1/ingest-0`), the fleet's."""

from __future__ import annotations

from typing import Final

FLEET: Final = "*"


def agent_subject(node: str, agent: str) -> str:
    return f"{node}/{agent}"


def node_of(subject: str) -> str | None:
    """The node that a subject is or is on; None for the fleet."""
    return None if subject == FLEET else subject.partition("/")[0]


def agent_of(subject: str) -> str | None:
    """The agent that a subject is, if it is one."""
    return subject.partition("/")[2] or None
