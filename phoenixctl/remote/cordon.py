"""The mark on a node that it takes no new agents."""

from __future__ import annotations

import json
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Node
from phoenixctl.model.snapshot import Cordon
from phoenixctl.remote.layout import LAYOUT, TAKE, node_command

_CORDON: Final = (
    LAYOUT
    + TAKE
    + r"""
umask 077
mkdir -p "$base" || exit 1
take "$base/cordon"
if [ "$value" = "$1" ]; then echo unchanged; exit 0; fi
temporary=$base/.cordon.$$
trap 'rm -f "$temporary"' EXIT
printf '%s\n' "$1" > "$temporary" || exit 1
sync "$temporary" 2>/dev/null
mv -f "$temporary" "$base/cordon" && echo changed
"""
)

_UNCORDON: Final = (
    LAYOUT
    + r"""
if [ ! -e "$base/cordon" ]; then echo unchanged; exit 0; fi
rm -f "$base/cordon" && echo changed
"""
)


def cordon_command(node: Node, fleet: str, cordon: Cordon) -> Command:
    """Marks the node; the mark appears whole or not at all."""
    text = json.dumps({"by": cordon.by, "at": cordon.at, "reason": cordon.reason})
    return node_command(_CORDON, node, fleet, text)


def uncordon_command(node: Node, fleet: str) -> Command:
    return node_command(_UNCORDON, node, fleet)


def parse_cordon(completed: Completed) -> bool:
    """Whether anything changed, for both commands; CommandFailed when neither is certain."""
    last = completed.stdout.split()[-1:]
    if not completed.ok or last not in ([b"changed"], [b"unchanged"]):
        words = completed.stderr.decode("utf-8", "replace").strip() or "it printed nothing"
        raise CommandFailed(f"the cordon could not be changed: {words}")
    return last == [b"changed"]


def read_cordon(text: str) -> Cordon:
    """The mark as written. One that cannot be read still keeps new agents away."""
    try:
        mark = json.loads(text)
        values = mark["by"], mark["at"], mark["reason"]
    except (ValueError, TypeError, KeyError, RecursionError):
        values = ("", "", "")
    if not all(isinstance(value, str) for value in values) or not any(values):
        return Cordon(by="unknown", at="unknown", reason="the mark on the node cannot be read")
    return Cordon(*values)
