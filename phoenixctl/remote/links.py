"""Whom a node reaches over TCP, asked in one command that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.names import NodeName

# A refusal comes from the target too: it is reached. A name that the node cannot look up says
# nothing of the way there. Only bash and nc can tell from a shell.
_SCRIPT: Final = r"""
LC_ALL=C; export LC_ALL
seconds=$1; shift
if command -v bash > /dev/null; then how=bash
elif command -v nc > /dev/null; then how=nc
else echo 'tool none'; exit 0
fi
probe() {
    if [ "$how" = bash ]; then
        said=$(timeout "$seconds" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$2" "$3" 2>&1)
    else
        said=$(timeout "$seconds" nc -z -v -w "$seconds" "$2" "$3" 2>&1 < /dev/null)
    fi
    case $?,$said in
        0,*|*refused*) word=yes ;;
        *resol*|*[Nn]ame\ or\ service*|*bad\ address*|*unknown\ host*) word=unknown ;;
        *) word=no ;;
    esac
    printf '%s %s\n' "$word" "$1"
}
while [ $# -ge 3 ]; do
    probe "$1" "$2" "$3" &
    shift 3
done
wait
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A node, where others should reach it."""

    name: NodeName
    host: str
    port: int


def links_command(targets: Sequence[Target], *, timeout_seconds: int) -> Command:
    """Tries all at once, each for so long."""
    words = (word for t in targets for word in (t.name, t.host, str(t.port)))
    return Command("sh", "-c", _SCRIPT, "sh", str(timeout_seconds), *words)


def parse_links(completed: Completed, targets: Sequence[Target]) -> Mapping[NodeName, bool | None]:
    """Whether each target was reached; None where the node cannot tell."""
    found: dict[NodeName, bool | None] = {target.name: None for target in targets}
    for line in completed.stdout.decode("utf-8", "replace").splitlines():
        word, _, name = line.partition(" ")
        if name in found and word in ("yes", "no"):
            found[NodeName(name)] = word == "yes"
    return found
