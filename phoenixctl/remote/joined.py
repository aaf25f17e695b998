"""The mark on a node that it has joined: with which bootstrap."""

from __future__ import annotations

import re
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.fleet import Node
from phoenixctl.remote.layout import LAYOUT, TAKE, node_command
from phoenixctl.remote.said import said

_DIGEST: Final = re.compile(r"[0-9a-z]{1,64}", re.ASCII)

_SAY: Final = r"""
say() { printf '%s\n' "$*"; }
fail() { say "error $*"; exit 1; }
say 'phoenixctl mark'
"""

_MARK: Final = (
    LAYOUT
    + TAKE
    + _SAY
    + r"""
umask 077
mkdir -p "$base" 2>/dev/null && [ -w "$base" ] || fail "$base cannot be written to"
take "$base/joined"
if [ "$value" = "$1" ]; then say 'changed no'; exit 0; fi
printf '%s\n' "$1" > "$base/.joined.new" || fail "$base cannot be written to"
sync "$base/.joined.new" 2>/dev/null
mv -f "$base/.joined.new" "$base/joined" || fail "$base/joined cannot be written"
say 'changed yes'
"""
)

_UNMARK: Final = (
    LAYOUT
    + _SAY
    + r"""
if [ ! -e "$base/joined" ]; then say 'changed no'; exit 0; fi
rm -f "$base/joined" || fail "$base/joined cannot be removed"
say 'changed yes'
"""
)


def mark_command(node: Node, fleet: str, digest: str) -> Command:
    """Marks the node as joined; proves on the way that the fleet's folder can be written to."""
    return node_command(_MARK, node, fleet, digest)


def unmark_command(node: Node, fleet: str) -> Command:
    return node_command(_UNMARK, node, fleet)


def parse_mark(completed: Completed) -> bool:
    """Whether anything changed, for both commands; CommandFailed when neither is certain."""
    return said(completed, "mark").get("changed") == "yes"


def read_joined(text: str) -> str:
    """The digest as it stands in the mark; empty when there is none that can be read."""
    return text if _DIGEST.fullmatch(text) else ""
