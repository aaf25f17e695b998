"""Names that are safe in a path, a unit name, a label and a shell."""

from __future__ import annotations

import re
from typing import Final, NewType

NodeName = NewType("NodeName", str)
AgentId = NewType("AgentId", str)

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NODE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def check_name(text: str) -> str:
    """The name of a fleet, pool or agent spec: lower-case letters, digits, hyphens; at most 63."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a name; use lower-case letters, digits and hyphens, at most 63"
        )
    return text


def check_node_name(text: str) -> NodeName:
    """A node's name: as a host name, also with dots, underscores and capitals."""
    if not _NODE.fullmatch(text):
        raise ValueError(f"{text!r} is not a node name; use letters, digits, hyphens and dots")
    return NodeName(text)


def agent_id(spec_name: str, ordinal: int) -> AgentId:
    """`ingest-0`: the instance number `ordinal` of an agent spec."""
    return AgentId(f"{spec_name}-{ordinal}")
