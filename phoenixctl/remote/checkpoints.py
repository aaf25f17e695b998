"""Checkpoints of agents, kept on other nodes for when their own one dies.

    <base>/checkpoints/<agent>/
        <epoch>-<time>-<checksum>/
            data          the agent's file, or several as one tar
            manifest      what it is; with it, the checkpoint is whole
        .<…>.part/        one that is on its way

A folder is filled aside and renamed, so a checkpoint is there whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from phoenixctl.model.command import Command, Completed
from phoenixctl.model.errors import CommandFailed
from phoenixctl.model.fleet import Node
from phoenixctl.model.names import AgentId
from phoenixctl.model.units import Bytes
from phoenixctl.remote.change_script import RUNNING
from phoenixctl.remote.layout import LAYOUT, agent_command, node_command
from phoenixctl.remote.said import said

_ID: Final = re.compile(r"(\d{1,18})-(\d{13})-([0-9a-f]{64})", re.ASCII)
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)
_AGENT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}-\d{1,6}", re.ASCII)
_SPARE_KIB: Final = 10 * 1024  # left free on a node that keeps one


@dataclass(frozen=True, slots=True, order=True)
class CheckpointId:
    """Which checkpoint of an agent: a higher epoch is later, then a higher `at` (milliseconds
    since 1970, by who made it). `checksum` is the SHA-256 of its data."""

    epoch: int
    at: int
    checksum: str

    def __str__(self) -> str:
        return f"{self.epoch}-{self.at:013d}-{self.checksum}"


@dataclass(frozen=True, slots=True)
class Content:
    """What a checkpoint holds. `file` is the name that the agent gave it; `packed`: a tar of
    several. `spec_digest` is of the specification that the agent ran with."""

    size: Bytes
    spec_digest: str
    file: str
    packed: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """A whole checkpoint on a node; `age_seconds` by that node's own clock."""

    agent: AgentId
    id: CheckpointId
    content: Content
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Shelf:
    """All checkpoints that a node keeps, by agent, in the folder `base`/checkpoints."""

    base: str
    kept: Mapping[AgentId, tuple[Kept, ...]]

    def path(self, agent: AgentId, checkpoint: CheckpointId) -> str:
        """Where the data is."""
        return f"{self.base}/checkpoints/{agent}/{checkpoint}/data"


@dataclass(frozen=True, slots=True)
class Received:
    """Where a checkpoint is to be written; None when the node has it."""

    path: str | None


_SHELF: Final = (
    LAYOUT
    + r"""
say() { printf '%s\n' "$*"; }
is_number() { case $1 in ''|*[!0-9]*) return 1 ;; esac; }
"""
    + RUNNING
    + r"""
say 'phoenixctl checkpoints'
say "base $base"
clock
second=$(date +%s)
for manifest in "$base"/checkpoints/*/[0-9]*/manifest; do
    if [ ! -r "$manifest" ]; then continue; fi
    folder=${manifest%/manifest} size= digest= kind= file= boot= up=0 at=0
    name=${folder##*/} agent=${folder%/*}
    while IFS='=' read -r key value; do
        case $key in
            size) size=$value ;; digest) digest=$value ;; kind) kind=$value ;; file) file=$value ;;
            boot) boot=$value ;; up) up=$value ;; at) at=$value ;;
        esac
    done < "$manifest"
    is_number "$up" && is_number "$at" || continue
    if [ "$boot" = "$booted" ]; then age=$((now - up)); else age=$(((second - at) * 100)); fi
    say "kept ${agent##*/} $name $size ${digest:--} $kind $age $file"
done
say end
"""
)

# Arguments: the checkpoint, a token for this attempt, KiB that are needed.
_RECEIVE: Final = r"""
say 'phoenixctl receive'
umask 077
shelf=$base/checkpoints/$id
if [ -e "$shelf/$1/manifest" ]; then say 'there yes'; exit 0; fi
mkdir -p "$shelf" 2>/dev/null || fail "cannot create $shelf"
find "$shelf" -maxdepth 1 -name '.*.part' -mmin +60 -exec rm -rf {} + 2>/dev/null
free=$(df -P -k "$shelf" | { read -r head; read -r device size used free rest; say "$free"; })
case $free in
    ''|*[!0-9]*) ;;
    *) if [ "$free" -lt "$3" ]; then fail "its disk is full: $free KiB free, $3 KiB needed"; fi ;;
esac
part=$shelf/.$1.$2.part
mkdir "$part" && : > "$part/data" || fail "cannot create $part"
say 'there no'
say "into $part/data"
"""

# Arguments: the checkpoint, the token, its checksum, centiseconds since it was made, size, digest,
# kind, file.
_KEEP: Final = (
    RUNNING
    + r"""
say 'phoenixctl keep'
umask 077
shelf=$base/checkpoints/$id
part=$shelf/.$1.$2.part
if [ -e "$shelf/$1/manifest" ]; then rm -rf "$part"; say 'changed no'; exit 0; fi
sum=$(sha256sum < "$part/data") || fail "cannot read $part/data"
if [ "${sum%% *}" != "$3" ]; then
    rm -rf "$part"
    fail "what arrived is not what was sent: its checksum differs"
fi
clock
say "digest=$6
kind=$7
file=$8
size=$5
boot=$booted
up=$((now > $4 ? now - $4 : 0))
at=$(($(date +%s) - $4 / 100))" > "$part/manifest" || fail "cannot write $part/manifest"
sync "$part/data" "$part/manifest" 2>/dev/null || sync
rm -rf "${shelf:?}/$1"
mv "$part" "$shelf/$1" || fail "cannot write $shelf/$1"
say 'changed yes'
"""
)

# Arguments: names below the agent's folder. Without a manifest a checkpoint counts no more.
_DROP: Final = r"""
say 'phoenixctl drop'
shelf=$base/checkpoints/$id removed=0
for name in "$@"; do
    if [ ! -e "$shelf/$name" ]; then continue; fi
    rm -f "$shelf/$name/manifest"
    rm -rf "${shelf:?}/$name" || fail "cannot remove $shelf/$name"
    removed=$((removed + 1))
done
say "removed $removed"
"""
_FORGET: Final = r"""
say 'phoenixctl drop'
shelf=$base/checkpoints/$id removed=0
for folder in "$shelf"/[0-9]*; do
    if [ -e "$folder" ]; then removed=$((removed + 1)); rm -f "$folder/manifest"; fi
done
rm -rf "$shelf" || fail "cannot remove $shelf"
say "removed $removed"
"""


def shelf_command(node: Node, fleet: str) -> Command:
    """Lists every whole checkpoint that the node keeps; reads no data."""
    return node_command(_SHELF, node, fleet)


def parse_shelf(completed: Completed) -> Shelf:
    """Lines that are no checkpoint's are left out; CommandFailed when the list is not whole."""
    text = completed.stdout.decode("utf-8", "replace")
    _, first, rest = f"\n{text}".partition("\nphoenixctl checkpoints\n")
    lines = rest.split("\n")
    if not first or "end" not in lines or not lines[0].startswith("base /"):
        words = completed.stderr.decode("utf-8", "replace").strip() or "its end is missing"
        raise CommandFailed(f"the list of checkpoints cannot be read: {words}")
    found: dict[AgentId, tuple[Kept, ...]] = {}
    for line in lines[1:]:
        kept = _kept(line)
        if kept is not None:
            found[kept.agent] = (*found.get(kept.agent, ()), kept)
    return Shelf(lines[0].removeprefix("base "), found)


def _kept(line: str) -> Kept | None:
    match line.split(" "):
        case ["kept", agent, name, size, digest, ("file" | "tar") as kind, age, file]:
            mark = read_id(name)
            readable = _FILE.fullmatch(file) and _AGENT.fullmatch(agent) and size.isdecimal()
            if mark is None or not readable:
                return None
            content = Content(Bytes(int(size)), digest.strip("-"), file, kind == "tar")
            return Kept(AgentId(agent), mark, content, max(0.0, _number(age) / 100))
    return None


def read_id(name: str) -> CheckpointId | None:
    """The checkpoint that is called so; None when none can be."""
    match = _ID.fullmatch(name)
    return CheckpointId(int(match[1]), int(match[2]), match[3]) if match else None


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def receive_command(
    agent: AgentId, node: Node, fleet: str, checkpoint: CheckpointId, *, token: str, size: Bytes
) -> Command:
    """Makes room for a checkpoint; CommandFailed when the disk has none."""
    needed = str(size // 1024 + _SPARE_KIB)
    return agent_command(_RECEIVE, agent, node, fleet, str(checkpoint), token, needed)


def parse_receive(completed: Completed) -> Received:
    words = said(completed, "receive")
    if words.get("there") == "yes":
        return Received(None)
    if not words.get("into", "").startswith("/"):
        raise CommandFailed("the node did not say where the checkpoint goes")
    return Received(words["into"])


def keep_command(
    agent: AgentId,
    node: Node,
    fleet: str,
    checkpoint: CheckpointId,
    content: Content,
    *,
    token: str,
    age_seconds: float,
) -> Command:
    """Makes what has arrived a checkpoint that counts; CommandFailed when it is damaged."""
    arguments = (
        str(checkpoint), token, checkpoint.checksum, str(max(0, round(age_seconds * 100))),
        str(content.size), content.spec_digest, "tar" if content.packed else "file", content.file,
    )  # fmt: skip
    return agent_command(_KEEP, agent, node, fleet, *arguments)


def parse_keep(completed: Completed) -> bool:
    """Whether it was new there."""
    return said(completed, "keep").get("changed") == "yes"


def part_of(checkpoint: CheckpointId, token: str) -> str:
    """The folder of a checkpoint that is on its way."""
    return f".{checkpoint}.{token}.part"


def drop_command(agent: AgentId, node: Node, fleet: str, *names: str) -> Command:
    """Removes these checkpoints, or what is left of those on their way."""
    return agent_command(_DROP, agent, node, fleet, *names)


def forget_command(agent: AgentId, node: Node, fleet: str) -> Command:
    """Removes all that the node keeps of an agent."""
    return agent_command(_FORGET, agent, node, fleet)


def parse_drop(completed: Completed) -> int:
    """How many were removed."""
    return _number(said(completed, "drop").get("removed", ""))
